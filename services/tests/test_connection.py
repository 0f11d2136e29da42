"""What comes of a request when its client goes, dawdles, or does not read."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from mcp_services.core import connection as connection_module
from mcp_services.core import metrics
from mcp_services.core.connection import Connection, CutOffError
from mcp_services.core.edge import Edge
from prometheus_client import REGISTRY
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server

_ASK = b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
_START = {"type": "http.response.start", "status": 200, "headers": []}


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[int]:
    """Serve an application behind the edge, and give the port."""
    edge = Edge(app, "test")
    config = Config(
        edge, port=0, http=Connection, lifespan="off", ws="none", log_config=None, proxy_headers=False
    )
    server = Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await task


def hung_up() -> float:
    """How many requests ended so."""
    return metrics.REQUESTS.labels("test", "_other", "hung_up").value


async def read_body(receive: Receive) -> None:
    """Read until the body is there, however long it is."""
    while (await receive()).get("more_body"):
        pass


@pytest.mark.parametrize("size", [2, 300_000])
async def test_a_client_that_hangs_up_ends_the_work_for_it(size: int) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        await read_body(receive)
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    before = hung_up()
    async with serving(app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_ASK.replace(b": 2", f": {size}".encode()).replace(b"{}", b"x" * size))
        await asyncio.wait_for(begun.wait(), 5)
        writer.close()
        await asyncio.wait_for(ended.wait(), 5)
        await asyncio.sleep(0.05)
    assert hung_up() == before + 1


async def test_a_client_that_closes_after_its_answer_ends_nothing() -> None:
    done = asyncio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send(_START)
        await send({"type": "http.response.body", "body": b"ok"})
        await asyncio.sleep(0.3)
        done.set()

    before = hung_up()
    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_ASK)
        await reader.readline()
        writer.close()
        await asyncio.wait_for(done.wait(), 5)
    assert hung_up() == before


async def test_a_hang_up_is_heard_also_while_the_request_before_is_being_finished() -> None:
    requests, begun, ended = [0], asyncio.Event(), asyncio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        requests[0] += 1
        if requests[0] == 1:
            await send(_START)
            await send({"type": "http.response.body", "body": b"ok"})
            # What it does after its answer ends once the next one is being served.
            await begun.wait()
            return
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_ASK)
        await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5)
        writer.write(_ASK)
        await asyncio.wait_for(begun.wait(), 5)
        await asyncio.sleep(0.1)
        writer.close()
        await asyncio.wait_for(ended.wait(), 5)


async def test_requests_that_do_not_wait_for_an_answer_end_their_connection() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        await read_body(receive)
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_ASK * 20)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await asyncio.sleep(0.1)
        assert begun.is_set() is ended.is_set()


async def test_of_what_waits_for_an_answer_little_is_taken_in_and_all_of_it_is_answered() -> None:
    answering, large = asyncio.Event(), 16_000_000

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        await answering.wait()
        await send(_START)
        await send({"type": "http.response.body", "body": b"ok"})

    async with serving(app) as port:
        loop, client = asyncio.get_running_loop(), socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.settimeout(0)
        with contextlib.closing(client):
            await loop.sock_connect(client, ("127.0.0.1", port))
            second = _ASK.replace(b": 2", f": {large}".encode()).replace(b"{}", b"x" * large)
            sending = asyncio.create_task(loop.sock_sendall(client, _ASK + second + _ASK))
            await asyncio.sleep(0.5)
            assert not sending.done()
            answering.set()
            await asyncio.wait_for(sending, 20)
            got = b""
            while got.count(b"ok") < 3:
                got += await asyncio.wait_for(loop.sock_recv(client, 4096), 5)
    assert got.count(b"HTTP/1.1 200 ") == 3


@pytest.mark.parametrize("error", [CutOffError("next one gone"), RuntimeError("a fault")])
async def test_an_answer_that_cannot_be_completed_ends_its_connection_without_an_end_of_its_own(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send(_START)
        await send({"type": "http.response.body", "body": b"so far", "more_body": True})
        raise error

    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_ASK)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert answer.endswith(b"6\r\nso far\r\n")
    assert ("Traceback" in caplog.text) is isinstance(error, RuntimeError)
    assert "ASGI" not in caplog.text


async def test_what_is_no_http_is_refused_under_a_correlation_id_and_counted() -> None:
    async def app(_: Scope, receive: Receive, __: Send) -> None:
        await read_body(receive)

    labels = {"role": "test", "method": "_other", "outcome": "client_error"}
    before = REGISTRY.get_sample_value("mcp_requests_total", labels) or 0.0
    async with serving(app) as port:
        for sent in (b"no HTTP\r\n\r\n", _ASK.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
            writer.close()
            assert head.startswith(b"HTTP/1.1 400 ")
            assert re.search(rb"x-correlation-id: [0-9a-f]{32}(\r|$)", head)
            assert orjson.loads(body)["error"]["code"] == -32600
    assert REGISTRY.get_sample_value("mcp_requests_total", labels) == before + 2


@pytest.mark.parametrize("piece", [b"X-%d: y\r\n", b"x%d"])
async def test_headers_without_end_are_refused_before_they_take_memory(piece: bytes) -> None:
    async def app(_: Scope, __: Receive, ___: Send) -> None:
        raise AssertionError("no request came")

    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /mcp HTTP/1.1\r\nX: ")
        answering = asyncio.create_task(reader.readline())
        sent = 0
        while not answering.done() and sent < 2**22:
            writer.write(piece % sent * 1000)
            await asyncio.sleep(0.01)
            sent += 1000
        writer.close()
        assert (await asyncio.wait_for(answering, 5)).startswith(b"HTTP/1.1 431 ")
    assert sent < 20_000


_PARTS = [b"P", b"POST /mcp HTTP/1.1\r\nHost: x\r\n"]


@pytest.mark.parametrize("sent", [b"", *_PARTS, *(_ASK + part for part in _PARTS)])
async def test_headers_that_do_not_come_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connection_module, "_HEADER_SECONDS", 0.3)

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        await send(_START)
        await send({"type": "http.response.body", "body": b"ok"})

    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ") is sent.startswith(_ASK)


async def test_a_request_that_is_answered_slowly_is_no_slow_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_HEADER_SECONDS", 0.2)

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await asyncio.sleep(0.5)
        await send(_START)
        await send({"type": "http.response.body", "body": b"ok"})

    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(_ASK)
            assert (await asyncio.wait_for(reader.readuntil(b"ok"), 5)).startswith(b"HTTP/1.1 200 ")
            await reader.readuntil(b"0\r\n\r\n")
        writer.close()


@pytest.mark.parametrize("reads", [True, False])
async def test_a_client_that_reads_nothing_is_not_waited_for_and_one_that_reads_slowly_is(
    monkeypatch: pytest.MonkeyPatch,
    reads: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(connection_module, "_UNREAD_SECONDS", 0.4)
    size = 4_000_000

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send(_START)
        await send({"type": "http.response.body", "body": b"x" * size, "more_body": True})
        await send({"type": "http.response.body", "body": b"y"})

    before = hung_up()
    async with serving(app) as port:
        loop, client = asyncio.get_running_loop(), socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0)
        with contextlib.closing(client):
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, _ASK)
            got = b""
            for _ in range(15):
                await asyncio.sleep(0.1)
                got += await loop.sock_recv(client, 100_000) if reads else b""
            assert hung_up() == before + (not reads)
            while reads and not got.endswith(b"0\r\n\r\n"):
                got += await loop.sock_recv(client, 1_000_000)
    assert len(got) >= size or not reads
