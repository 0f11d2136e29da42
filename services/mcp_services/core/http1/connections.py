"""The connections of this process to other services."""

import asyncio

from mcp_services.core.hop import BrokenError, NotSentError, Request
from mcp_services.core.http1.answer import Answer
from mcp_services.core.http1.connection import Connection
from mcp_services.core.http1.head import head

CONNECT_SECONDS = 2.0
MOST_REQUESTS = 512

_Place = tuple[str, int]


class Connections:
    """Keeps connections, the one used last first; so many requests are under way at most, and others wait."""

    def __init__(self, most: int = MOST_REQUESTS) -> None:
        """Have none yet."""
        self._room = asyncio.Semaphore(most)
        self._open: set[Connection] = set()
        self._kept: dict[_Place, dict[Connection, None]] = {}
        self._closed = False

    async def ask(self, at: _Place, request: Request, fixed: str) -> Answer:
        """Send a request to host and port, and wait for the headers of the answer, which has to be released.

        Args:
            at: Host, which is an address, and port.
            request: The request.
            fixed: Lines of headers before its own.

        Raises:
            NotSentError: There is no connection.
            BrokenError: It broke after the request was sent.
            TimeoutError: The answer did not come in time.
            ValueError: A header holds what no header may.
        """
        asked = head(request, fixed)
        deadline = asyncio.get_running_loop().time() + request.seconds
        if self._room.locked():
            async with asyncio.timeout(request.seconds):
                await self._room.acquire()
        else:
            await self._room.acquire()
        try:
            return await self._ask(at, asked, request, deadline)
        except BaseException:
            self._room.release()
            raise

    async def _ask(self, at: _Place, asked: bytes, request: Request, deadline: float) -> Answer:
        body, bodiless = request.data or b"", request.method == "HEAD"
        kept = self._unused(at)
        if kept is not None:
            try:
                return await kept.ask(asked, body, deadline, bodiless=bodiless)
            except BrokenError:
                # The other side may close any kept connection while a request is on its way.
                if not request.repeatable:
                    raise
        connection = await self._connect(at)
        return await connection.ask(asked, body, deadline, bodiless=bodiless)

    def _unused(self, at: _Place) -> Connection | None:
        kept = self._kept.get(at)
        while kept:
            connection, _ = kept.popitem()
            if connection.is_open:
                return connection
        return None

    async def _connect(self, at: _Place) -> Connection:
        if self._closed:
            raise NotSentError("the process ends")
        host, port = at
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self, at), host, port
                )
        except OSError as error:
            raise NotSentError(type(error).__name__) from error
        if not connection.is_open:
            raise NotSentError("closed at once")
        self._open.add(connection)
        return connection

    def free(self, connection: Connection, *, reusable: bool) -> None:
        """Its request is over."""
        self._room.release()
        if reusable:
            self._kept.setdefault(connection.at, {})[connection] = None

    def lost(self, connection: Connection) -> None:
        """It is closed, or about to be."""
        self._open.discard(connection)
        kept = self._kept.get(connection.at)
        if kept is not None:
            kept.pop(connection, None)
            if not kept:
                del self._kept[connection.at]

    async def close(self) -> None:
        """Close all at once, whatever is under way."""
        self._closed = True
        for connection in tuple(self._open):
            connection.close()
        # The loop tells connections of their end in its next round.
        await asyncio.sleep(0)
