"""How the orchestrator posts to an MCP server that does not behave."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from aiohttp import web
from mcp.shared.message import SessionMessage
from mcp_services.core.upstream import Pool, http_client
from mcp_services.orchestrator import responses
from mcp_services.orchestrator.responses import events
from mcp_services.orchestrator.transport import PoolTransport, Target
from mcp_types import JSONRPCError, JSONRPCRequest, JSONRPCResponse
from mcp_types.jsonrpc import JSONRPCMessage

_ANSWER = b'data: {"jsonrpc": "2.0", "id": 7, "result": {}}\n\n'
_ASKED = SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=7, method="tools/call", params={"name": "echo"}))


@asynccontextmanager
async def posting_to(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[PoolTransport]:
    """A transport to a server that answers by `handler`."""
    app = web.Application()
    app.router.add_post("/mcp", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with http_client() as client:
        pool = Pool("mcp-orchestrator-api", "odd", f"http://127.0.0.1:{runner.addresses[0][1]}", client)
        yield PoolTransport(Target(pool, "/mcp", lambda: ""))
    await runner.cleanup()


async def _received(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> JSONRPCMessage:
    """What comes of a call that a server answers in this way."""
    async with posting_to(handler) as transport, transport as (read, write):
        await asyncio.wait_for(write.send(_ASKED), 60)
        item = await read.receive()
        assert isinstance(item, SessionMessage)
        return item.message


async def test_a_stream_that_stays_open_after_its_answer_holds_nobody() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(_ANSWER)
        await asyncio.sleep(60)
        return answer

    assert isinstance(await _received(handler), JSONRPCResponse)


async def test_what_is_under_way_when_the_transport_closes_ends_at_once() -> None:
    asked = asyncio.Event()

    async def handler(_: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.sleep(60)
        return web.Response()

    async with posting_to(handler) as transport:
        async with transport as (_, write):
            sending = asyncio.create_task(write.send(_ASKED))
            await asked.wait()
        with pytest.raises(anyio.ClosedResourceError):
            await asyncio.wait_for(sending, 10)


async def test_a_session_stays_at_the_address_that_began_it_and_is_lost_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served: Counter[str] = Counter()
    pods: dict[str, web.AppRunner] = {}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async def start(address: str) -> None:
        async def handler(request: web.Request) -> web.Response:
            asked = await request.json()
            served[address] += 1
            began = {"Mcp-Session-Id": address} if asked["method"] == "initialize" else {}
            answer = {"jsonrpc": "2.0", "id": asked["id"], "result": {}}
            return web.json_response(answer, headers=began)

        app = web.Application()
        app.router.add_post("/mcp", handler)
        pods[address] = web.AppRunner(app, shutdown_timeout=0.1)
        await pods[address].setup()
        await web.TCPSite(pods[address], address, port).start()

    async def getaddrinfo(*_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(2, 1, 6, "", (address, port)) for address in pods]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"):
        await start(address)
    lost = asyncio.Event()
    async with http_client() as client:
        pool = Pool("mcp-orchestrator-api", "pods", f"http://pods:{port}", client)
        transport = PoolTransport(Target(pool, "/mcp", lambda: ""), lost.set)
        async with transport as (read, write):
            for method in ["initialize"] + ["tools/call"] * 12:
                request = JSONRPCRequest(jsonrpc="2.0", id=1, method=method, params={})
                await write.send(SessionMessage(request))
                item = await read.receive()
                assert isinstance(item, SessionMessage)
                assert isinstance(item.message, JSONRPCResponse)
            assert list(served.values()) == [13]
            assert not lost.is_set()
            await pods.pop(next(iter(served))).cleanup()
            await write.send(_ASKED)
            item = await read.receive()
            assert isinstance(item, SessionMessage)
            assert isinstance(item.message, JSONRPCError)
            assert lost.is_set()
    for runner in pods.values():
        await runner.cleanup()


async def _pieces(stream: bytes, size: int) -> AsyncIterator[bytes]:
    """What comes of a stream when it comes in pieces of one size."""
    for at in range(0, len(stream), size):
        yield stream[at : at + size]


async def _answered(content_type: str, *pieces: bytes) -> JSONRPCMessage:
    """What comes of a call that a server answers with these pieces."""

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": content_type})
        await answer.prepare(request)
        for piece in pieces:
            await answer.write(piece)
            await asyncio.sleep(0)
        return answer

    return await _received(handler)


def _result(text: bytes) -> bytes:
    return b'{"jsonrpc": "2.0", "id": 7, "result": {"text": "' + text + b'"}}'


async def test_a_result_of_a_megabyte_in_one_line_comes_whole_in_a_stream_as_in_a_body() -> None:
    whole = _result(b"x" * 2**20)
    for answer in (
        await _answered("application/json", whole),
        await _answered("text/event-stream", b"data: " + whole + b"\n\n"),
    ):
        assert isinstance(answer, JSONRPCResponse)
        assert len(answer.result["text"]) == 2**20


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
async def test_an_event_may_come_in_any_pieces(end: bytes) -> None:
    stream = end.join(
        [b": a comment", b"", b"event: message", b"data: a", b"data:b", b"", b"data: c", b"", b""]
    )
    for size in (1, 2, 7, len(stream)):
        assert [data async for data in events(_pieces(stream, size))] == [b"a\nb", b"c"]


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_a_message_that_is_too_large_is_an_error_that_quotes_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, content_type: str
) -> None:
    monkeypatch.setattr(responses, "MOST_BYTES", 10_000)
    start = b"data: " if content_type == "text/event-stream" else b""
    for pieces in ([start + _result(b"secret" * 2000)], [start, *[b"secret" * 100] * 20]):
        answer = await _answered(content_type, *pieces)
        assert isinstance(answer, JSONRPCError)
        assert "more than 10000 bytes" in answer.error.message
        assert "secret" not in answer.error.message


async def test_many_events_may_be_larger_together_than_one_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "MOST_BYTES", 1000)
    event = b'data: {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info"}}\n\n'
    answer = await _answered("text/event-stream", event * 50 + _ANSWER)
    assert not isinstance(answer, JSONRPCError)


async def test_what_is_malformed_is_not_quoted() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        raw: Any = request.transport
        raw.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\n")
        await asyncio.sleep(0.1)
        request.transport.close()
        return web.Response()

    async with posting_to(handler) as transport, transport as (read, write):
        await asyncio.wait_for(write.send(_ASKED), 60)
        item = await read.receive()
    assert isinstance(item, SessionMessage)
    assert isinstance(item.message, JSONRPCError)
    assert "secret" not in item.message.error.message
