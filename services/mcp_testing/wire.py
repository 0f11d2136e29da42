"""The way to a service, which can be made slow or cut: a TCP relay on loopback in front of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from mcp_services.dev import Stack
from mcp_services.roles import MODULES

_OFFSET = 50
_PIECE = 64 * 1024


@dataclass
class Wire:
    """What passes between the callers of a service and the service.

    Attributes:
        port: Where the callers connect.
        target: The service's own port.
        delay: Seconds that each piece takes.
        whole: Cleared while it is cut: nothing passes, and nobody is told, as when packets are lost.
    """

    port: int
    target: int
    delay: float = 0.0
    whole: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Relay while the block runs."""
        self.whole.set()
        running: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            running.add(task)
            try:
                await self._serve(reader, writer)
            finally:
                running.discard(task)

        server = await asyncio.start_server(serve, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()
            for task in tuple(running):
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.whole.wait()
        try:
            further, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        ways = [
            asyncio.create_task(self._pass(reader, back)),
            asyncio.create_task(self._pass(further, writer)),
        ]
        try:
            # One side's end is the other's: nobody here speaks on a half-open connection.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in (back, writer):
                end.close()

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(_PIECE):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self.whole.wait()
                target.write(piece)
                await target.drain()


class WiredStack(Stack):
    """All roles, each reached by a wire only."""

    def url(self, role: str) -> str:
        """The wire's base URL."""
        return f"http://127.0.0.1:{self.port(role) + _OFFSET}"

    @asynccontextmanager
    async def wires(self) -> AsyncIterator[dict[str, Wire]]:
        """The wires by role, while the block runs."""
        found = {role: Wire(self.port(role) + _OFFSET, self.port(role)) for role in MODULES}
        async with AsyncExitStack() as stack:
            for wire in found.values():
                await stack.enter_async_context(wire.open())
            yield found
