"""One open client of an MCP server, and calls of its tools."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Any

from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    encode_header_value,
    mcp_param_headers,
    x_mcp_header_map,
)
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    CONNECTION_CLOSED,
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    PROTOCOL_VERSION_META_KEY,
    CallToolResult,
    Implementation,
    JSONRPCError,
    Tool,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from mcp_services import __version__
from mcp_services.core import exchange, tracing
from mcp_services.core.upstream import UnavailableError
from mcp_services.orchestrator.responses import NoResponseError, failure, response
from mcp_services.orchestrator.transport import CORRELATION_META, PoolTransport, Target

_LOG = logging.getLogger(__name__)
_LIST_SECONDS, _LIST_TIMEOUT = 30.0, 10.0
_US = Implementation(name="a1platform", version=__version__)


class Session:
    """A client of the SDK, kept open by a task of its own, and the tools that it listed last.

    In the stateless protocol a call needs nothing of the client but what it has learned, and is posted
    without it: the SDK's session, with its streams and models, would take a multiple of the CPU.

    Attributes:
        tools: By their own names.
        param_headers: For each, which of its arguments go into which headers too.
        over: Set once a new session is needed; calls under way, and those until then, may still succeed.
    """

    def __init__(self, name: str, target: Target) -> None:
        """Connect to the server `name` at `target` once `run` is started."""
        self.tools: dict[str, Tool] = {}
        self.over = asyncio.Event()
        self._name, self._target = name, target
        self._client: Client | None = None
        self.param_headers: dict[str, Mapping[tuple[str, ...], str]] = {}
        self._ids = itertools.count(1)
        self._calls = 0
        self._retired = False
        self._unused = asyncio.Event()

    async def run(self, use: Callable[["Session"], None]) -> None:
        """Connect, and list the tools again and again; `use` is told of each listing.

        Ends when it is over, replaced, and no call is under way.
        """
        try:
            async with Client(
                PoolTransport(self._target, self.over.set), cache=None, client_info=_US
            ) as client:
                self._client = client
                try:
                    await self._keep(client, use)
                except Exception as error:  # noqa: BLE001 - whatever a foreign server does, calls may go on
                    self._failed(error)
                await self._unused.wait()
        except Exception as error:  # noqa: BLE001 - whatever a foreign server does, the next try may succeed
            self._failed(error)
        finally:
            self._client = None

    def _failed(self, error: Exception) -> None:
        _LOG.warning("MCP server not reached", extra={"server": self._name, "error": repr(error)})
        self.over.set()

    async def _keep(self, client: Client, use: Callable[["Session"], None]) -> None:
        while not self.over.is_set():
            try:
                listed = await asyncio.wait_for(_all_tools(client), _LIST_TIMEOUT)
            except TimeoutError:
                if not self.tools:
                    raise
                # Slow is not gone: calls go on with the tools that are known.
                _LOG.warning("tools not listed in time", extra={"server": self._name})
            else:
                if self.over.is_set():
                    return
                self.tools = {tool.name: tool for tool in listed}
                self.param_headers = {tool.name: x_mcp_header_map(tool.input_schema) for tool in listed}
                use(self)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.over.wait(), _LIST_SECONDS)

    def retire(self) -> None:
        """Let the calls under way end, then close."""
        self.over.set()
        self._retired = True
        if not self._calls:
            self._unused.set()

    async def call(self, tool: str, args: dict[str, Any], seconds: float) -> CallToolResult:
        """Call a tool that is listed; the caller gives up after `seconds`.

        Raises:
            MCPError: The server answered with an error, or not at all.
        """
        client = self._client
        if client is None:
            raise MCPError(CONNECTION_CLOSED, f"MCP server {self._name} is not connected")
        meta = {CORRELATION_META: exchange.current().correlation_id, **tracing.outgoing()}
        self._calls += 1
        try:
            if client.protocol_version in MODERN_PROTOCOL_VERSIONS:
                direct = await self._direct(client, tool, args, meta, seconds + 1)
                if direct is not None:
                    return direct
            own: Any = meta
            return await client.call_tool(tool, args, seconds + 1, meta=own)
        finally:
            self._calls -= 1
            if self._retired and not self._calls:
                self._unused.set()

    async def _direct(
        self, client: Client, tool: str, args: dict[str, Any], meta: dict[str, str], seconds: float
    ) -> CallToolResult | None:
        """Call by one post; None where the tool has not run and the client is needed to have it run."""
        envelope = {
            PROTOCOL_VERSION_META_KEY: client.protocol_version,
            CLIENT_INFO_META_KEY: {"name": _US.name, "version": _US.version},
            CLIENT_CAPABILITIES_META_KEY: {},
        }
        headers = {
            MCP_PROTOCOL_VERSION_HEADER: client.protocol_version,
            MCP_METHOD_HEADER: "tools/call",
            MCP_NAME_HEADER: encode_header_value(tool),
            **mcp_param_headers(self.param_headers[tool], args),
        }
        try:
            answer = await self._answer(
                {"name": tool, "arguments": args, "_meta": {**meta, **envelope}}, headers, seconds
            )
            if answer.get("resultType", "complete") != "complete":
                return None
            result = CallToolResult.model_validate(answer, by_name=False)
            if not result.is_error:
                await client.session.validate_tool_result(tool, result)
        except MCPError as error:
            if error.code == HEADER_MISMATCH:
                return None
            raise
        except (ValidationError, RuntimeError) as error:
            _LOG.warning("result not valid", extra={"server": self._name, "error": str(error)})
            said = f"MCP server {self._name} gave a result that is not valid"
            raise MCPError(INTERNAL_ERROR, said) from error
        return result

    async def _answer(
        self, params: dict[str, Any], headers: Mapping[str, str], seconds: float
    ) -> dict[str, Any]:
        number = next(self._ids)
        message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        try:
            async with self._target.post(message, headers, seconds) as answer:
                got = await response(answer)
        except (UnavailableError, NoResponseError) as error:
            raise MCPError.from_error_data(failure(error)) from error
        if isinstance(got, JSONRPCError):
            raise MCPError.from_error_data(got.error)
        if got.id != number:
            raise MCPError(CONNECTION_CLOSED, "response to another request")
        return got.result


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
