"""The MCP servers behind the orchestrator: their tools, under names `server__tool`, and calls to them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Tool
from opentelemetry.trace import Span, SpanKind

from mcp_services.core import metrics, tracing
from mcp_services.core.files import WatchedFile
from mcp_services.core.upstream import HttpClient, Pool
from mcp_services.documents import McpServer, ServersDocument
from mcp_services.orchestrator.session import Session
from mcp_services.orchestrator.transport import Target

SEPARATOR = "__"

_AGAIN_SECONDS, _FIRST_SECONDS, _END_SECONDS = 2.0, 5.0, 5.0
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


class NotConnectedError(ToolUnavailableError):
    """The server has not been reached yet; another try may succeed."""


class Connection:
    """One MCP server, reached by one session after the other."""

    def __init__(self, server: McpServer, client: HttpClient, tokens_dir: Path) -> None:
        """Connect to `server` once `run` is started."""
        self._server, self._client = server, client
        self._token: WatchedFile[str] = WatchedFile(
            tokens_dir / server.name, lambda b: b.decode().strip(), ""
        )
        self._session: Session | None = None
        self._opening: Session | None = None
        self._first = asyncio.Event()

    async def run(self) -> None:
        """Keep connected, until cancelled; what goes on over an old session may end there."""
        async with asyncio.TaskGroup() as sessions:
            while True:
                self._opening = Session(self._server.name, self._target())
                sessions.create_task(self._opening.run(self._use))
                await self._opening.over.wait()
                if self._opening is not self._session:
                    self._opening.retire()
                await asyncio.sleep(_AGAIN_SECONDS)

    def _target(self) -> Target:
        url = self._server.url
        base = f"{url.scheme}://{url.host}:{url.port}"
        return Target(Pool(_ROLE, self._server.name, base, self._client), url.path or "/mcp", self._token.get)

    def _use(self, session: Session) -> None:
        if self._session is not session:
            if self._session:
                self._session.retire()
            self._session = session
            self._first.set()

    def follow(self, server: McpServer) -> None:
        """Take over a changed entry: at another address, once its tools are listed there."""
        moved = server.url != self._server.url
        self._server = server
        if moved and self._opening:
            self._opening.over.set()

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The tools listed last."""
        return self._session.tools if self._session else {}

    def schema_with_headers(self, tool: str) -> dict[str, Any] | None:
        """The input schema of a tool, if it says that arguments come in headers too."""
        listed = self._session is not None and self._session.param_headers.get(tool)
        return self.tools[tool].input_schema if listed else None

    @property
    def connected(self) -> bool:
        """Whether the server was there when it was last asked."""
        return self._session is not None and not self._session.over.is_set()

    async def call(self, call: Call) -> CallToolResult:
        """Call a tool.

        Raises:
            ToolUnavailableError: The server has no such tool.
            NotConnectedError: It has not been reached yet.
            TimeoutError: It did not answer in time.
            MCPError: It answered with an error.
        """
        seconds = call.timeout_seconds or self._server.timeout_seconds
        # Not `wait_for`, which makes a task of its own before Python 3.12.
        async with asyncio.timeout(seconds):
            session = self._session or await self._connect()
            if call.tool not in session.tools:
                raise ToolUnavailableError(f"MCP server {call.server} has no tool {call.tool}")
            return await session.call(call.tool, dict(call.args), seconds)

    async def _connect(self) -> Session:
        """The first session: a pod is ready before its servers are reached."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_SECONDS):
                await self._first.wait()
        if self._session is None:
            raise NotConnectedError(f"MCP server {self._server.name} is not connected")
        return self._session


class Federation:
    """All MCP servers of the document in force."""

    def __init__(self, tokens_dir: Path) -> None:
        """Read bearer tokens for servers from `tokens_dir`, one file a server."""
        self._tokens_dir = tokens_dir
        self._client: HttpClient | None = None
        self._connections: dict[str, tuple[Connection, asyncio.Task[None]]] = {}

    @contextlib.asynccontextmanager
    async def connected(self, client: HttpClient) -> AsyncIterator[None]:
        """Use `client`; disconnect at the end."""
        self._client = client
        try:
            yield
        finally:
            tasks = [task for _, task in self._connections.values()]
            self.follow(ServersDocument())
            if tasks:
                # They end their sessions at the servers, by `client`.
                await asyncio.wait(tasks, timeout=_END_SECONDS)

    def follow(self, document: ServersDocument) -> None:
        """Connect to new servers, drop those that are gone, let the others take over what is changed."""
        assert self._client is not None  # noqa: S101 - documents arrive after connected()
        wanted = {server.name: server for server in document.servers}
        for name, (connection, task) in tuple(self._connections.items()):
            if name in wanted:
                connection.follow(wanted[name])
            else:
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

    def schema_with_headers(self, name: str) -> dict[str, Any] | None:
        """The input schema of a federated tool, if it says that arguments come in headers too."""
        server, _, tool = name.partition(SEPARATOR)
        found = self._connections.get(server)
        return found[0].schema_with_headers(tool) if found else None

    async def call(self, call: Call, inside: Span | None = None) -> CallToolResult:
        """Call a tool, traced and counted; raises what `Connection.call` raises.

        The span is one of its own, unless `inside` is that of a request which is for this call alone.
        """
        found = self._connections.get(call.server)
        if found is None:
            raise ToolUnavailableError(f"no MCP server {call.server}")
        tool = call.tool if call.tool in found[0].tools else "_other"
        begun, outcome = time.perf_counter(), "error"
        name = f"{call.server}{SEPARATOR}{tool}"
        span = contextlib.nullcontext(inside) if inside else tracing.span(f"tool {name}", SpanKind.CLIENT)
        try:
            with span as opened:
                opened.set_attribute("mcp.tool", name)
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
