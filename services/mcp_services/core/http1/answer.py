"""An answer that a connection reads and its asker takes."""

import asyncio
from collections.abc import Mapping
from typing import Protocol, Self


class Reader(Protocol):
    """The connection, as the answer knows it."""

    def resume(self) -> None:
        """Read on, now that there is room."""
        ...

    def release(self) -> None:
        """The answer is no longer wanted."""
        ...


class Answer:
    """An answer, or what has come of it; see `hop.Answer`.

    Attributes:
        status: 0 until its headers are there.
        headers: By names in small letters; of one that came more than once, the first.
        complete: Whether all of it has come.
        waiting: Bytes of its body that have come and are not read yet.
    """

    __slots__ = ("_failure", "_parts", "_reader", "_waiter", "complete", "headers", "status", "waiting")

    def __init__(self, reader: Reader) -> None:
        """Wait for what `reader` reads."""
        self._reader = reader
        self._parts: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.complete = False
        self.waiting = 0

    @property
    def content_length(self) -> int | None:
        """The length of the body, where the headers tell it."""
        told = self.headers.get("content-length")
        return int(told) if told else None

    @property
    def content_type(self) -> str:
        """The media type in small letters, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def begun(self) -> None:
        """Wait for the headers; raises as reading does."""
        while not self.status:
            await self._more()

    async def read(self) -> bytes:
        """What is left of the body."""
        if self.complete:
            return self._taken()
        return b"".join([piece async for piece in self])

    def __aiter__(self) -> Self:
        """The pieces of the body."""
        return self

    async def __anext__(self) -> bytes:
        """All that has come since the last piece, once there is something."""
        while not self._parts:
            if self.complete:
                raise StopAsyncIteration
            await self._more()
        return self._taken()

    def release(self) -> None:
        """Keep the connection if all has come, read or not, else close it."""
        self._reader.release()

    async def _more(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _taken(self) -> bytes:
        piece = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self.waiting = 0
        self._reader.resume()
        return piece

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """The headers are there."""
        self.status, self.headers = status, headers
        self._wake()

    def feed(self, piece: bytes) -> None:
        """A piece of the body is there."""
        self._parts.append(piece)
        self.waiting += len(piece)
        self._wake()

    def end(self) -> None:
        """All has come."""
        self.complete = True
        self._wake()

    def fail(self, failure: Exception) -> None:
        """Nothing more will come; what has come is read before that is told."""
        if not self.complete and self._failure is None:
            self._failure = failure
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
