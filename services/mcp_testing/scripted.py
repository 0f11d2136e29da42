"""A server that sends the bytes which a test says, and a client of ours."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from mcp_services.core.hop import Request
from mcp_services.core.http1.connections import Connections

FIXED = "Host: service.example\r\n"
POST = Request("POST", "/mcp", {"Content-Type": "application/json"}, b"{}", 5)
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server of raw bytes.

    Attributes:
        at: Where it listens.
        asked: What was asked over each connection, one after the other.
        over: How many connections are over.
    """

    def __init__(self, serve: Serve) -> None:
        """Answer each request by `serve`, until the connection is closed."""
        self._serve = serve
        self.at = ("127.0.0.1", 0)
        self.asked: list[list[bytes]] = []
        self.over = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        asked: list[bytes] = []
        self.asked.append(asked)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                body = b"{}" if b"Content-Length: 2\r\n" in head else b""
                asked.append(head + await reader.readexactly(len(body)))
                await self._serve(reader, writer)
        self.over += 1
        writer.close()


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[tuple[Server, Connections]]:
    """A server and a client, while the block runs."""
    made, client = Server(serve), Connections()
    server = await asyncio.start_server(made, "127.0.0.1", 0)
    made.at = server.sockets[0].getsockname()
    try:
        yield made, client
    finally:
        await client.close()
        server.close()
        await asyncio.sleep(0.01)


def saying(*answers: bytes, size: int = 2**20, close: bool = False) -> Serve:
    """Send one after the other, the last one again and again, each in pieces of this size."""
    left = list(answers)

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = left.pop(0) if len(left) > 1 else left[0]
        for at in range(0, len(answer), size):
            writer.write(answer[at : at + size])
            await asyncio.sleep(0)
        if close:
            writer.close()

    return serve


async def ask(client: Connections, server: Server, request: Request = POST) -> tuple[int, bytes]:
    """Status and body of an answer that is read to its end."""
    answer = await client.ask(server.at, request, FIXED)
    try:
        return answer.status, await answer.read()
    finally:
        answer.release()
