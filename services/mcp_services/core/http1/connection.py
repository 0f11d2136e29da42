"""One connection to another service."""

import asyncio
import math
import socket
from typing import Protocol, cast

import httptools

from mcp_services.core.hop import BrokenError
from mcp_services.core.http1.answer import Answer

KEEP_SECONDS = 30.0
"""How long a connection waits for another request; less than our own servers wait for one."""
UNACKNOWLEDGED_MILLISECONDS = 10_000
"""How long what is sent may stay unacknowledged; else it would be sent again for a quarter of an hour."""

_MOST_HEAD_BYTES = 64 * 1024
_MOST_WAITING_BYTES = 128 * 1024
_JOINED_BYTES = 64 * 1024
_FINAL = 200


class Owner(Protocol):
    """Whom a connection tells what becomes of it."""

    def free(self, connection: "Connection", *, reusable: bool) -> None:
        """Its request is over."""
        ...

    def lost(self, connection: "Connection") -> None:
        """It is closed, or about to be."""
        ...


class Connection(asyncio.Protocol):
    """One connection, which carries one request at a time; its own parser calls its `on_` methods.

    Attributes:
        at: Host and port.
    """

    def __init__(self, owner: Owner, at: tuple[str, int]) -> None:
        """Belong to `owner`."""
        self.at = at
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._answer: Answer | None = None
        self._headers: dict[str, str] = {}
        self._bodiless = self._in_head = self._informational = self._keep_alive = False
        self._reusable = self._paused = self._closed = False
        self._unread = 0
        self._deadline = self._wakes = math.inf
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is, as far as anybody has told."""
        return not self._closed and not self._transport.is_closing()

    async def ask(self, head: bytes, body: bytes, deadline: float, *, bodiless: bool) -> Answer:
        """Send a request over it while it is open and has none under way, and wait for the answer's headers.

        Args:
            head: Its head.
            body: Its body.
            deadline: When the whole answer is too late, by the loop's clock.
            bodiless: Whether the answer has no body, whatever its headers say.

        Raises:
            BrokenError: The connection broke.
            TimeoutError: It is too late.
        """
        answer = self._answer = Answer(self)
        self._bodiless, self._reusable, self._unread = bodiless, False, 0
        self._until(deadline)
        if len(body) < _JOINED_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        try:
            await answer.begun()
        except BaseException:
            self._answer = None
            self.close()
            raise
        return answer

    def release(self) -> None:
        """The answer is no longer wanted."""
        answer, self._answer = self._answer, None
        whole = answer is not None and answer.complete and self._reusable and self.is_open
        # What an early answer has left unsent of its request would be taken for the next one.
        reusable = whole and not self._transport.get_write_buffer_size()
        if reusable:
            self.resume()
            self._until(self._loop.time() + KEEP_SECONDS)
        else:
            self.close()
        self._owner.free(self, reusable=reusable)

    def close(self) -> None:
        """Close it at once, whatever is under way."""
        if not self._closed:
            self._closed = True
            self._owner.lost(self)
            self._transport.abort()

    def resume(self) -> None:
        """Read on, now that there is room."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)
        used = transport.get_extra_info("socket")
        used.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLISECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whichever side."""
        by_us, self._closed = self._closed, True
        if not by_us:
            self._owner.lost(self)
        if self._timer is not None:
            self._timer.cancel()
        answer = self._answer
        if answer is not None:
            if exc is None and not by_us and _ends_with_connection(answer):
                answer.end()
            answer.fail(BrokenError("the connection was closed"))
        # It holds this object, too.
        del self._parser

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        answer = self._answer
        if answer is None:
            # Nobody has asked, and it must not be taken for the answer to the next request.
            self.close()
            return
        self._unread += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # Its words would quote what has come.
            self._fail("no HTTP/1.1")
        else:
            if self._unread > _MOST_HEAD_BYTES:
                self._fail(f"more than {_MOST_HEAD_BYTES} bytes of headers")
            elif answer.waiting > _MOST_WAITING_BYTES and not self._paused:
                self._paused = True
                self._transport.pause_reading()

    def on_message_begin(self) -> None:
        """An answer begins; a second one is one too many."""
        self._in_head = self._answer is not None and not self._answer.complete
        if self._in_head:
            self._headers = {}
        else:
            self._reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or what a trailer tells behind a body."""
        if self._in_head:
            self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """All headers are there."""
        if not self._in_head or self._answer is None:
            return
        self._in_head = False
        status = self._parser.get_status_code()
        if status < _FINAL:
            self._informational = True
            return
        self._keep_alive = self._parser.should_keep_alive()
        self._answer.begin(status, self._headers)
        if self._bodiless:
            # The parser does not know, and waits for a body.
            self._answer.end()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        answer = self._answer
        if answer is not None and not answer.complete and not self._informational:
            self._unread = 0
            answer.feed(body)

    def on_message_complete(self) -> None:
        """An answer is whole; the one that is meant comes after those which only inform."""
        if self._informational:
            self._informational = False
        elif self._answer is not None and not self._answer.complete:
            self._reusable = self._keep_alive
            self._answer.end()

    def _fail(self, reason: str) -> None:
        self._reusable = False
        if self._answer is not None:
            self._answer.fail(BrokenError(reason))
        self.close()

    def _until(self, deadline: float) -> None:
        """Look again by `deadline`; a timer made for each request would cost more than its parsing."""
        self._deadline = deadline
        if self._wakes > deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._set_timer()

    def _set_timer(self) -> None:
        # Never later than an idle connection is closed, so that a request's end seldom has to set it anew.
        self._wakes = min(self._deadline, self._loop.time() + KEEP_SECONDS)
        self._timer = self._loop.call_at(self._wakes, self._look)

    def _look(self) -> None:
        self._timer, self._wakes = None, math.inf
        if self._loop.time() < self._deadline:
            self._set_timer()
        elif self._answer is None:
            self.close()
        elif not self._answer.complete:
            self._answer.fail(TimeoutError())
            self.close()


def _ends_with_connection(answer: Answer) -> bool:
    return bool(answer.status) and not answer.headers.keys() & {"content-length", "transfer-encoding"}
