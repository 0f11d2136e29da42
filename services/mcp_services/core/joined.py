"""What a server writes within one round of the event loop goes out as one.

Uvicorn writes the head of an answer and its body apart, and uvloop sends each at once: two calls of the
kernel for one answer, and two rounds of its reader's event loop.
"""

import asyncio
from typing import Any

_MOST_BYTES = 64 * 1024


class JoinedWrites:
    """A transport whose writes wait for what comes with them, until the round ends or `flush`."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Write to `transport`."""
        self._transport, self._loop = transport, loop
        self._waiting: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        """All else is the transport's."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, at the end of the round at the latest."""
        if not data:
            return
        self._waiting.append(data)
        self._size += len(data)
        if self._size > _MOST_BYTES:
            self.flush()
        elif len(self._waiting) == 1:
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        waiting, self._waiting, self._size = self._waiting, [], 0
        if not self._transport.is_closing():
            self._transport.write(waiting[0] if len(waiting) == 1 else b"".join(waiting))

    def close(self) -> None:
        """Write what waits, then close."""
        self.flush()
        self._transport.close()
