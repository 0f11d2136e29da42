"""How the orchestrator posts to an MCP server that does not behave."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from aiohttp import web
from mcp.shared.message import SessionMessage
from mcp_services.core.upstream import Pool, http_client
from mcp_services.orchestrator.transport import AiohttpTransport, Target
from mcp_types import JSONRPCError, JSONRPCRequest, JSONRPCResponse

_ANSWER = b'data: {"jsonrpc": "2.0", "id": 7, "result": {}}\n\n'
_ASKED = SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=7, method="tools/call", params={"name": "echo"}))


@asynccontextmanager
async def posting_to(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[AiohttpTransport]:
    """A transport to a server that answers by `handler`."""
    app = web.Application()
    app.router.add_post("/mcp", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with http_client() as client:
        pool = Pool("mcp-orchestrator-api", "odd", f"http://127.0.0.1:{runner.addresses[0][1]}", client)
        yield AiohttpTransport(Target(pool, "/mcp", lambda: ""))
    await runner.cleanup()


async def test_a_stream_that_stays_open_after_its_answer_holds_nobody() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(_ANSWER)
        await asyncio.sleep(60)
        return answer

    async with posting_to(handler) as transport, transport as (read, write):
        await asyncio.wait_for(write.send(_ASKED), 10)
        item = await read.receive()
        assert isinstance(item, SessionMessage)
        assert isinstance(item.message, JSONRPCResponse)


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
        transport = AiohttpTransport(Target(pool, "/mcp", lambda: ""), lost.set)
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
