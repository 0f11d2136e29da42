"""Calls to MCP servers that fail to list their tools, move, change or come late; real servers of the SDK."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_services.core.upstream import http_client
from mcp_services.dev import free_base_port
from mcp_services.documents import ServersDocument
from mcp_services.orchestrator import federation as federation_module
from mcp_services.orchestrator import session as session_module
from mcp_services.orchestrator.federation import Call, Federation, NotConnectedError
from pydantic import Field
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send


async def slow(seconds: float) -> str:
    """Answers late."""
    await asyncio.sleep(seconds)
    return "done"


async def plain(region: str) -> str:
    """Gives back where it is."""
    return region


async def routed(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    """Gives back where it is, which a header tells as well."""
    return region


Tool = Callable[..., Awaitable[str]]


class Server:
    """An MCP server on a port of its own, with one tool.

    Attributes:
        failing: The methods that it answers with 503.
        legacy: Whether it knows the handshake only.
        streaming: Whether it answers with event streams.
        stateful: Whether it has sessions.
        asked: The methods that it was asked for, of MCP's or of HTTP's.
    """

    def __init__(
        self, tool: Tool, *, legacy: bool = False, streaming: bool = False, stateful: bool = False
    ) -> None:
        """Offer `tool` under the name `tool`."""
        self.failing: set[str] = set()
        self.legacy, self.streaming, self.stateful = legacy, streaming, stateful
        self.asked: list[str] = []
        self.offer(tool)
        self.port = 0

    def offer(self, tool: Tool) -> None:
        """Have this tool from now on."""
        self.server = MCPServer("test")
        self.server.tool("tool")(tool)
        self.app = self.server.streamable_http_app(
            json_response=not self.streaming,
            stateless_http=not self.stateful,
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self.manager = self.server.session_manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        headers = dict(scope["headers"])
        if self.legacy and headers.get(b"mcp-protocol-version", b"").startswith(b"2026"):
            return await Response("Bad Request: Unsupported protocol version", 400)(scope, receive, send)
        first = await receive()
        found = [name for name in ("tools/list", "tools/call") if f'"{name}"'.encode() in first["body"]]
        self.asked += found or [scope["method"]]
        if self.failing & set(found):
            return await Response("not now", 503)(scope, receive, send)
        waiting = [first]

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        return await self.app(scope, again, send)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        """Serve while the block runs."""
        config = uvicorn.Config(self, port=self.port, log_level="critical", lifespan="off", ws="none")
        served = uvicorn.Server(config)
        served.config.load()
        async with self.manager.run():
            task = asyncio.create_task(served.serve())
            while not served.started:
                await asyncio.sleep(0.01)
            self.port = served.servers[0].sockets[0].getsockname()[1]
            try:
                yield self
            finally:
                served.should_exit = served.force_exit = True
                await task

    def entry(self, **changed: object) -> ServersDocument:
        """The document that names this server."""
        entry = {"name": "test", "url": f"http://127.0.0.1:{self.port}/mcp", **changed}
        return ServersDocument.model_validate({"servers": [entry]})


@pytest.fixture
async def federation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Federation]:
    """A federation that lists and tries again much more often."""
    monkeypatch.setattr(federation_module, "_AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(session_module, "_LIST_SECONDS", 0.1)
    async with http_client() as client:
        made = Federation(tmp_path)
        async with made.connected(client):
            yield made


async def call(of: Federation, timeout_seconds: float | None = None, **args: Any) -> object:  # noqa: ANN401
    """The structured content that the one tool gives."""
    return (await of.call(Call("test", "tool", args, timeout_seconds))).structured_content


BOTH = pytest.mark.parametrize("legacy", [False, True], ids=["stateless", "handshake"])


@BOTH
async def test_a_call_waits_for_a_server_that_is_just_being_connected(
    federation: Federation,
    legacy: bool,  # noqa: FBT001
) -> None:
    async with Server(slow, legacy=legacy).running() as server:
        federation.follow(server.entry())
        assert await call(federation, seconds=0) == {"result": "done"}


async def test_a_server_that_is_not_there_is_told_from_a_tool_that_is_not(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(federation_module, "_FIRST_SECONDS", 0.2)
    server = Server(slow)
    server.port = free_base_port()
    federation.follow(server.entry())
    with pytest.raises(NotConnectedError):
        await call(federation, seconds=0)
    async with server.running():
        await asyncio.sleep(0.5)
        assert await call(federation, seconds=0) == {"result": "done"}


@BOTH
async def test_a_listing_that_fails_ends_no_call_and_takes_no_tool(
    federation: Federation,
    legacy: bool,  # noqa: FBT001
) -> None:
    async with Server(slow, legacy=legacy).running() as server:
        federation.follow(server.entry())
        await call(federation, seconds=0)
        running = asyncio.create_task(call(federation, seconds=1))
        await asyncio.sleep(0.1)
        server.failing.add("tools/list")
        await asyncio.sleep(0.5)
        assert not federation.reaches(["test"])
        assert await call(federation, seconds=0) == {"result": "done"}
        server.failing.clear()
        assert await running == {"result": "done"}
        await asyncio.sleep(0.5)
        assert federation.reaches(["test"])
        assert await call(federation, seconds=0) == {"result": "done"}


@BOTH
async def test_a_changed_time_out_holds_at_once_and_ends_no_call(
    federation: Federation,
    legacy: bool,  # noqa: FBT001
) -> None:
    async with Server(slow, legacy=legacy).running() as server:
        federation.follow(server.entry())
        await call(federation, seconds=0)
        running = asyncio.create_task(call(federation, seconds=0.8))
        await asyncio.sleep(0.1)
        federation.follow(server.entry(timeoutSeconds=0.3))
        with pytest.raises(TimeoutError):
            await call(federation, seconds=5)
        assert await running == {"result": "done"}


@BOTH
async def test_a_server_that_moves_is_followed_once_it_lists_and_calls_at_its_old_place_end_there(
    federation: Federation,
    legacy: bool,  # noqa: FBT001
) -> None:
    async with Server(slow, legacy=legacy).running() as old, Server(plain, legacy=legacy).running() as new:
        federation.follow(old.entry())
        await call(federation, seconds=0)
        running = asyncio.create_task(call(federation, seconds=1.5))
        await asyncio.sleep(0.1)
        new.failing.add("tools/list")
        federation.follow(new.entry())
        await asyncio.sleep(0.5)
        assert await call(federation, seconds=0) == {"result": "done"}
        new.failing.clear()
        await asyncio.sleep(0.5)
        assert await call(federation, region="eu") == {"result": "eu"}
        assert await running == {"result": "done"}


@BOTH
async def test_a_call_may_take_longer_than_its_server_allows_by_itself(
    federation: Federation,
    legacy: bool,  # noqa: FBT001
) -> None:
    async with Server(slow, legacy=legacy).running() as server:
        federation.follow(server.entry(timeoutSeconds=0.1))
        assert await call(federation, 20, seconds=6) == {"result": "done"}


async def test_an_answer_in_an_event_stream_is_read(federation: Federation) -> None:
    async with Server(slow, streaming=True).running() as server:
        federation.follow(server.entry())
        assert await call(federation, seconds=0) == {"result": "done"}


async def test_a_call_that_lacks_a_header_since_the_tool_has_changed_is_made_again(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "_LIST_SECONDS", 60)
    async with Server(plain).running() as server:
        federation.follow(server.entry())
        assert await call(federation, region="eu") == {"result": "eu"}
        server.offer(routed)
        async with server.manager.run():
            assert await call(federation, region="us") == {"result": "us"}
    assert server.asked.count("tools/list") == 2


async def test_an_argument_that_a_header_tells_too_is_sent_so(federation: Federation) -> None:
    async with Server(routed).running() as server:
        federation.follow(server.entry())
        assert await call(federation, region="Zürich") == {"result": "Zürich"}
    assert server.asked.count("tools/call") == 1
    assert federation.schema_with_headers("test__tool")
    assert federation.schema_with_headers("test__other") is None


async def test_a_session_that_its_server_has_forgotten_is_begun_anew_without_waiting_for_a_listing(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "_LIST_SECONDS", 60)
    async with Server(slow, legacy=True, stateful=True).running() as server:
        federation.follow(server.entry())
        assert await call(federation, seconds=0) == {"result": "done"}
        server.offer(slow)
        async with server.manager.run():
            with pytest.raises(MCPError):
                await call(federation, seconds=0)
            for _ in range(100):
                with contextlib.suppress(MCPError):
                    assert await call(federation, seconds=0) == {"result": "done"}
                    break
                await asyncio.sleep(0.1)
            else:
                raise AssertionError("no new session")


async def test_a_session_is_ended_at_its_server(tmp_path: Path) -> None:
    async with Server(slow, legacy=True, stateful=True).running() as server:
        async with http_client() as client:
            made = Federation(tmp_path)
            async with made.connected(client):
                made.follow(server.entry())
                assert await call(made, seconds=0) == {"result": "done"}
                assert "DELETE" not in server.asked
        assert "DELETE" in server.asked
        assert server.manager._server_instances == {}
