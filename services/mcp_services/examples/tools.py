"""An MCP server to try the platform with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from opentelemetry.trace import SpanKind
from starlette.types import Receive, Scope, Send

from mcp_services.core import exchange, tracing
from mcp_services.core.serve import Role, straight
from mcp_services.core.settings import RoleSettings
from mcp_services.core.upstream import http_client

_ROLE = "example-tools"
_LONGEST_SECONDS = 60.0
# All tools are coroutines: the SDK runs a plain function on a thread, which costs more than the call.


def _server() -> MCPServer:
    server = MCPServer("example")
    # Its tracing takes the parent from `_meta`, past gateway and policy; ours takes it from the request.
    server.middleware.clear()

    @server.tool()
    async def echo(text: str) -> str:
        """Gives back what it gets."""
        return text

    @server.tool()
    async def add(a: float, b: float) -> float:
        """Adds two numbers."""
        return a + b

    @server.tool()
    async def fail(reason: str = "as asked") -> str:
        """Fails always."""
        raise ToolError(reason)

    @server.tool()
    async def slow(seconds: float) -> str:
        """Answers after so many seconds, 60 at most."""
        await asyncio.sleep(min(max(seconds, 0.0), _LONGEST_SECONDS))
        return f"waited {seconds} s"

    return server


def build() -> Role:
    """example-tools."""
    settings = RoleSettings()
    server = _server()
    others = server.streamable_http_app(
        json_response=True,
        stateless_http=True,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    manager = server.session_manager
    app = straight("/mcp", manager.handle_request, others)

    async def traced(scope: Scope, receive: Receive, send: Send) -> None:
        at = exchange.current()
        at.method = "mcp"
        with tracing.span("example-tools", SpanKind.SERVER, at.headers):
            await app(scope, receive, send)

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with http_client() as client, tracing.exporting(_ROLE, settings, client.session), manager.run():
            yield

    return Role(_ROLE, settings, traced, lifespan, lambda: True)
