"""The MCP servers behind the orchestrator: their tools, under names `server__tool`, and calls to them."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Tool
from opentelemetry.trace import SpanKind

from mcp_services.core import exchange, metrics, tracing
from mcp_services.core.files import WatchedFile
from mcp_services.core.upstream import Pool
from mcp_services.documents import McpServer, ServersDocument
from mcp_services.orchestrator.transport import CORRELATION_META, AiohttpTransport

SEPARATOR = "__"

_LOG = logging.getLogger(__name__)
_LIST_SECONDS, _AGAIN_SECONDS, _LIST_TIMEOUT = 30.0, 2.0, 10.0
_ROLE = "mcp-orchestrator-api"


class ToolUnavailableError(Exception):
    """No such tool, or its server does not answer."""


@dataclass(frozen=True)
class Call:
    """One call of a tool, by its server and its own name there."""

    server: str
    tool: str
    args: Mapping[str, Any]
    timeout_seconds: float | None = None


class Connection:
    """One MCP server: a client kept open by a task of its own, and the tools last listed."""

    def __init__(self, server: McpServer, client: aiohttp.ClientSession, tokens_dir: Path) -> None:
        """Connect to `server` once `run` is started."""
        self.server = server
        self.tools: dict[str, Tool] = {}
        url = server.url
        self._path = url.path or "/mcp"
        self._pool = Pool(_ROLE, server.name, f"{url.scheme}://{url.host}:{url.port or 80}", client)
        self._token: WatchedFile[str] = WatchedFile(
            tokens_dir / server.name, lambda b: b.decode().strip(), ""
        )
        self._client: Client | None = None

    async def run(self) -> None:
        """Keep connected and list the tools again and again, until cancelled."""
        while True:
            try:
                transport = AiohttpTransport(
                    self._pool, self._path, self._token.get, self.server.timeout_seconds + 5
                )
                async with Client(transport, cache=None) as client:
                    while True:
                        await self._list(client)
                        await asyncio.sleep(_LIST_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever a foreign server does, the next try may succeed
                self._client = None
                _LOG.warning(
                    "MCP server not reached", extra={"server": self.server.name, "error": repr(error)}
                )
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _list(self, client: Client) -> None:
        try:
            listed = await asyncio.wait_for(_all_tools(client), _LIST_TIMEOUT)
        except TimeoutError:
            if self._client is not client:
                raise
            # Slow is not gone: calls go on with the tools that are known.
            _LOG.warning("tools not listed in time", extra={"server": self.server.name})
            return
        self.tools = {tool.name: tool for tool in listed}
        self._client = client

    @property
    def connected(self) -> bool:
        """Whether calls can be made."""
        return self._client is not None

    async def call(self, call: Call) -> CallToolResult:
        """Call a tool.

        Raises:
            ToolUnavailableError: The server has no such tool or is not connected.
            TimeoutError: It did not answer in time.
            MCPError: It answered with an error.
        """
        if self._client is None:
            raise ToolUnavailableError(f"MCP server {call.server} is not connected")
        if call.tool not in self.tools:
            raise ToolUnavailableError(f"MCP server {call.server} has no tool {call.tool}")
        seconds = call.timeout_seconds or self.server.timeout_seconds
        meta: Any = {CORRELATION_META: exchange.current().correlation_id, **tracing.outgoing()}
        # Not `wait_for`, which makes a task of its own before Python 3.12.
        async with asyncio.timeout(seconds):
            return await self._client.call_tool(call.tool, dict(call.args), seconds + 1, meta=meta)


async def _all_tools(client: Client) -> list[Tool]:
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(100):
        page = await client.list_tools(cursor=cursor)
        tools.extend(page.tools)
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools


class Federation:
    """All MCP servers of the document in force."""

    def __init__(self, tokens_dir: Path) -> None:
        """Read bearer tokens for servers from `tokens_dir`, one file a server."""
        self._tokens_dir = tokens_dir
        self._client: aiohttp.ClientSession | None = None
        self._connections: dict[str, tuple[Connection, asyncio.Task[None]]] = {}

    @contextlib.asynccontextmanager
    async def connected(self, client: aiohttp.ClientSession) -> AsyncIterator[None]:
        """Use `client`; disconnect at the end."""
        self._client = client
        try:
            yield
        finally:
            self.follow(ServersDocument())

    def follow(self, document: ServersDocument) -> None:
        """Connect to new servers, drop those that are gone, leave the unchanged alone."""
        assert self._client is not None  # noqa: S101 - documents arrive after connected()
        wanted = {server.name: server for server in document.servers}
        for name, (connection, task) in tuple(self._connections.items()):
            if wanted.get(name) != connection.server:
                task.cancel()
                del self._connections[name]
        for name, server in wanted.items():
            if name not in self._connections:
                connection = Connection(server, self._client, self._tokens_dir)
                self._connections[name] = (connection, asyncio.create_task(connection.run()))

    def reaches(self, servers: Iterable[str]) -> bool:
        """Whether all these servers are connected, or no longer there to be."""
        found = (self._connections.get(name) for name in servers)
        return all(one is None or one[0].connected for one in found)

    def tools(self) -> list[Tool]:
        """Every tool under its federated name."""
        return [
            tool.model_copy(update={"name": f"{name}{SEPARATOR}{tool.name}"})
            for name, (connection, _) in sorted(self._connections.items())
            for tool in connection.tools.values()
        ]

    def input_schema(self, name: str) -> dict[str, Any] | None:
        """The input schema of a federated tool, if it is known."""
        server, _, tool = name.partition(SEPARATOR)
        found = self._connections.get(server)
        known = found[0].tools.get(tool) if found else None
        return known.input_schema if known else None

    async def call(self, call: Call) -> CallToolResult:
        """Call a tool, traced and counted; raises what `Connection.call` raises."""
        found = self._connections.get(call.server)
        if found is None:
            raise ToolUnavailableError(f"no MCP server {call.server}")
        tool = call.tool if call.tool in found[0].tools else "_other"
        begun, outcome = time.perf_counter(), "error"
        try:
            with tracing.span(f"tool {call.server}{SEPARATOR}{tool}", SpanKind.CLIENT) as opened:
                try:
                    result = await found[0].call(call)
                except (ToolUnavailableError, MCPError, TimeoutError) as error:
                    outcome = "timeout" if isinstance(error, TimeoutError) else "error"
                    tracing.fail(opened, type(error).__name__)
                    raise
                outcome = "tool_error" if result.is_error else "ok"
                return result
        finally:
            metrics.TOOL_CALLS.labels(call.server, tool, outcome).inc()
            metrics.TOOL_DURATION.labels(call.server, tool).observe(time.perf_counter() - begun)
