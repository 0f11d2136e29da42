"""A client that hangs up ends the work for it, and one that keeps a connection waiting ends the connection.

Closing the response stream is how a request is cancelled in the stateless protocol (2026-07-28, Streamable
HTTP). Uvicorn by itself lets the application go on, and waits for ever for the headers of a first request and
for a client that does not read.
"""

import asyncio
import fcntl
import sys
import termios
from contextvars import copy_context
from typing import Any, Protocol, cast, runtime_checkable

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from mcp_services.core import jsonrpc
from mcp_services.core.exchange import CORRELATION_HEADER
from mcp_services.core.joined import JoinedWrites

_HEADER_SECONDS, _UNREAD_SECONDS = 10.0, 30.0
_MOST_WAITING = 8
"""Requests on a connection that wait for the answer to one before them."""

_MOST_HEADER_BYTES = 64 * 1024
_KEY = "mcp_services.connection"


class HungUpError(Exception):
    """The client closed the connection before its answer was complete."""


class CutOffError(Exception):
    """An answer that has begun cannot be completed."""


@runtime_checkable
class Accounting(Protocol):
    """An application that accounts for requests which do not get to it."""

    def refused(self, status: int) -> str:
        """Account for an answer with this status, and give the correlation ID that goes with it."""
        ...


class Connection(HttpToolsProtocol):
    """One connection of a client.

    Attributes:
        serving: The task of the request that is being answered.
        hung_up: Whether the client closed before its answer was complete.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Wait for the headers of a first request, but not for ever."""
        super().__init__(config, server_state, app_state, _loop)
        self.serving: asyncio.Task[None] | None = None
        self.hung_up = False
        self._deadline: asyncio.TimerHandle | None = self.loop.call_later(_HEADER_SECONDS, self._too_slow)
        self._unread: asyncio.TimerHandle | None = None
        self._in_headers, self._header_bytes = False, 0

    def data_received(self, data: bytes) -> None:
        """Take in what comes, unless it is headers without end: neither parser nor uvicorn bounds them."""
        before = self.scope if self._in_headers else None
        super().data_received(data)
        if self._in_headers and self._deadline is None:
            # What has come whole, as nearly all do, needs no timer.
            self._deadline = self.loop.call_later(_HEADER_SECONDS, self._too_slow)
        # What holds nothing but headers of one request; the piece in which they begin may hold another one.
        if before is not None and before is self.scope and self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > _MOST_HEADER_BYTES and not self.transport.is_closing():
                self._refuse(431, "headers too large")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have what is written go out joined."""
        own = cast("asyncio.Transport", transport)
        super().connection_made(own)
        self._joined = JoinedWrites(own, self.loop)
        self.transport = cast("asyncio.Transport", self._joined)

    def on_message_begin(self) -> None:
        """Lead from a request to its connection."""
        super().on_message_begin()
        self.scope["state"][_KEY] = self
        self._in_headers, self._header_bytes = True, 0

    def on_headers_complete(self) -> None:
        """The headers came in time; a client that sends request upon request is not listened to for ever.

        Raises:
            RuntimeError: Too many of them wait, upon which the parser gives up.
        """
        self._in_headers = False
        self._in_time()
        super().on_headers_complete()
        if len(self.pipeline) > _MOST_WAITING:
            raise RuntimeError("too many requests before the first is answered")

    def on_message_complete(self) -> None:
        """Listen on, so that the end of the connection is heard while the request is answered."""
        super().on_message_complete()
        # One that waits has paused the reading: neither the next nor its body is taken in before its turn.
        if not self.pipeline:
            self.flow.resume_reading()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, msg)

    def _refuse(self, status: int, said: str) -> None:
        """Answer what gets to no application, unless it would be taken for the answer to another request."""
        cycle = self.cycle
        unanswered = cycle is not None and not cycle.response_complete
        if self.pipeline or (unanswered and (cycle.response_started or not cycle.more_body)):
            self.transport.close()
            return
        response = jsonrpc.error(status, jsonrpc.INVALID_REQUEST, said)
        if isinstance(self.app, Accounting):
            # In a context of its own: the connection's next request is another exchange.
            response.headers[CORRELATION_HEADER] = copy_context().run(self.app.refused, status)
        response.headers["Connection"] = "close"
        lines = (b"%b: %b\r\n" % one for one in response.raw_headers)
        self.transport.write(b"".join((STATUS_LINE[status], *lines, b"\r\n", response.body)))
        self.cut_off()

    def on_response_complete(self) -> None:
        """Whoever closes from now on has its answer."""
        self.serving = None
        self._joined.flush()
        super().on_response_complete()

    def cut_off(self) -> None:
        """Close, so that the client sees that there would have been more."""
        self.transport.close()
        # Nothing more can be sent, and uvicorn need not complain of it.
        if self.cycle is not None:
            self.cycle.disconnected = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel what is being done for the client."""
        self._in_time()
        self.resume_writing()
        super().connection_lost(exc)
        if self.serving is not None:
            self.hung_up = True
            self.serving.cancel()

    def pause_writing(self) -> None:
        """Wait for a client that does not read, as long as it reads a little now and then."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _in_time(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.serving is None:
            self.transport.close()

    def _wait_for_reader(self, before: int | None = None) -> None:
        queued = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        left = self.transport.get_write_buffer_size() + int.from_bytes(queued, sys.byteorder)
        if left == before:
            self.transport.abort()
        else:
            self._unread = self.loop.call_later(_UNREAD_SECONDS, self._wait_for_reader, left)


def cut_off(scope: Scope) -> None:
    """End the connection of a request whose answer has begun and cannot be completed."""
    connection: Connection | None = scope.get("state", {}).get(_KEY)
    if connection is not None:
        connection.cut_off()


def body_is_whole(scope: Scope) -> bool:
    """Whether all of the body of the request being served has come already."""
    connection: Connection | None = scope.get("state", {}).get(_KEY)
    cycle = connection.cycle if connection is not None else None
    # Of several requests sent at once the connection knows the last one.
    return cycle is not None and cycle.scope is scope and not cycle.more_body


async def serve(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run `app` for one request, cancelled when the client hangs up.

    Raises:
        HungUpError: It did.
    """
    connection: Connection | None = scope.get("state", {}).get(_KEY)
    if connection is None:
        return await app(scope, receive, send)
    serving = connection.serving = asyncio.current_task()
    assert serving is not None  # noqa: S101 - a coroutine runs in a task
    try:
        await app(scope, receive, send)
    except asyncio.CancelledError:
        if not connection.hung_up:
            raise
        serving.uncancel()
        raise HungUpError from None
    finally:
        # The next request on this connection may be served already.
        if connection.serving is serving:
            connection.serving = None
    return None
