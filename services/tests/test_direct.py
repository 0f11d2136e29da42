"""A call that is answered without the SDK's manager gets the answer that the manager gives."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import RequestBodyLimitMiddleware, TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_services.core import exchange, jsonrpc
from mcp_services.core.edge import Edge
from mcp_services.core.identity import Subject
from mcp_services.documents import WorkflowsDocument
from mcp_services.orchestrator.direct import DirectCalls
from mcp_services.orchestrator.federation import Call, Federation, NotConnectedError, ToolUnavailableError
from mcp_services.orchestrator.server import EXCHANGE_KEY, SUBJECT_KEY, Orchestrator
from mcp_services.orchestrator.workflow import Engine
from mcp_testing.driving import HEADERS, META
from mcp_types import CallToolResult, TextContent
from opentelemetry.trace import Span
from starlette.types import ASGIApp, Receive, Scope, Send

Headers = dict[str, str] | list[tuple[str, str]]

_ECHO = "example__echo"
_GOOD = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": _ECHO, **HEADERS}
_SCHEMA = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}


class Tools(Federation):
    """Tools that do what their name says."""

    async def call(self, call: Call, inside: Span | None = None) -> CallToolResult:
        """Do it, never as if for a request of its own."""
        assert inside is None or not inside.is_recording()
        match call.tool:
            case "echo":
                text = TextContent(type="text", text=json.dumps(dict(call.args)))
                return CallToolResult(content=[text], structured_content={"given": dict(call.args)})
            case "own":
                return CallToolResult(content=[], _meta={"io.modelcontextprotocol/serverInfo": {"name": "x"}})
            case "error":
                return CallToolResult(content=[], is_error=True)
            case "refuse":
                raise MCPError(-32050, "refused", {"why": "so"})
            case "full":
                raise MCPError(jsonrpc.NO_ROOM, "no room for the answer now")
            case "late":
                raise TimeoutError
            case "break":
                raise RuntimeError("a secret")
            case "away":
                raise NotConnectedError("not connected")
        raise ToolUnavailableError("no such tool")

    def schema_with_headers(self, name: str) -> dict[str, Any] | None:
        """The one there is."""
        return _SCHEMA if name == "example__region" else None


class App:
    """The orchestrator's `/mcp`, with or without direct calls, and how many of those there were."""

    def __init__(self, folder: Path) -> None:
        """Have no tokens in `folder`."""
        engine: Any = Engine
        self.orchestrator = Orchestrator(Tools(folder), engine(None, None), WorkflowsDocument, durable=None)
        server = self.orchestrator.mcp_server()
        trusted = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        self.manager = StreamableHTTPSessionManager(
            server, json_response=True, stateless=True, security_settings=trusted
        )
        self.left = 0
        self.direct = RequestBodyLimitMiddleware(
            DirectCalls(self.orchestrator, server, self._others), self.manager.max_request_body_size
        )

    async def _others(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.left += 1
        await self.manager.handle_request(scope, receive, send)

    async def ask(self, app: ASGIApp, method: str, headers: Headers, body: bytes) -> tuple[int, Any]:
        """Status and content of an answer."""

        async def known(scope: Scope, receive: Receive, send: Send) -> None:
            scope[SUBJECT_KEY], scope[EXCHANGE_KEY] = Subject("alice", "user"), exchange.current()
            await app(scope, receive, send)

        transport = httpx2.ASGITransport(app=Edge(known, "mcp-orchestrator-api"))
        async with httpx2.AsyncClient(transport=transport, base_url="http://x") as http:
            answer = await http.request(method, "/mcp", headers=headers, content=body)
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        return answer.status_code, answer.json() if is_json else answer.text


def message(name: object = _ECHO, **changed: object) -> bytes:
    """A good call but for what is changed; what is changed to `...` is left out."""
    arguments = changed.pop("arguments", {"text": "é", "n": 10**30, "nothing": None})
    params = {"name": name, "arguments": arguments, "_meta": changed.pop("meta", META)}
    whole: dict[str, object] = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
    whole |= changed
    return json.dumps({key: value for key, value in whole.items() if value is not ...}).encode()


def named(name: str, **headers: str) -> dict[str, str]:
    """Headers of a call of that tool."""
    return _GOOD | {"Mcp-Name": name} | headers


DIRECT: dict[str, tuple[Headers, bytes]] = {
    "good": (_GOOD, message()),
    "text as id": (_GOOD, message(id="seven")),
    "no arguments": (_GOOD, message(arguments=None)),
    "identity of its own": (named("example__own"), message("example__own")),
    "failed": (named("example__error"), message("example__error")),
    "error": (named("example__refuse"), message("example__refuse")),
    "too late": (named("example__late"), message("example__late")),
    "fault": (named("example__break"), message("example__break")),
    "unknown": (named("example__nothing"), message("example__nothing")),
    "header and argument": (
        named("example__region", **{"Mcp-Param-Region": "eu"}),
        message("example__region", arguments={"region": "eu"}),
    ),
}
LEFT: dict[str, tuple[Headers, bytes]] = {
    "no JSON": (_GOOD, b"{"),
    "surrogate": (_GOOD, message(arguments={"text": "\ud7ff\udc00"})),
    "batch": (_GOOD, b"[" + message() + b"]"),
    "no object": (_GOOD, b"7"),
    "notification": (_GOOD, message(id=...)),
    "no id": (_GOOD, message(id=None)),
    "wrong JSON-RPC": (_GOOD, message(jsonrpc="1.0")),
    "no parameters": (_GOOD, message(params=...)),
    "wrong arguments": (_GOOD, message(arguments=[1])),
    "no name": (_GOOD, message(None)),
    "number as name": (_GOOD, message(1)),
    "no envelope": (_GOOD, message(meta={})),
    "other version": (_GOOD, message(meta=META | {"io.modelcontextprotocol/protocolVersion": "1999-01-01"})),
    "other name": (named("example__other"), message()),
    "other method": (_GOOD, message(method="tools/list")),
    "workflow tool": (named("workflow_list"), message("workflow_list")),
    "no such tool": (named("echo"), message("echo")),
    "wrong media type": (_GOOD | {"Content-Type": "text/plain"}, message()),
    "accepts no JSON": (_GOOD | {"Accept": "text/event-stream"}, message()),
    "accepts all": (_GOOD | {"Accept": "*/*"}, message()),
    "header twice": ([*_GOOD.items(), ("mcp-name", _ECHO)], message()),
    "version before": (_GOOD | {"MCP-Protocol-Version": "2025-11-25"}, message()),
    "version unknown": (_GOOD | {"MCP-Protocol-Version": "2099-01-01"}, message()),
    "header without argument": (
        named("example__region", **{"Mcp-Param-Region": "eu"}),
        message("example__region", arguments={"region": "us"}),
    ),
}


@pytest.mark.parametrize("case", [*DIRECT, *LEFT])
async def test_an_answer_is_the_same_with_and_without_the_manager(tmp_path: Path, case: str) -> None:
    app = App(tmp_path)
    headers, body = (DIRECT | LEFT)[case]
    async with app.manager.run():
        for method in ("POST", "PUT"):
            got = await app.ask(app.direct, method, headers, body)
            assert got == await app.ask(app.manager.handle_request, method, headers, body)
    assert app.left == (1 if case in DIRECT else 2)


async def test_a_server_that_is_not_reached_yet_is_worth_another_try(tmp_path: Path) -> None:
    app = App(tmp_path)
    status, told = await app.ask(app.direct, "POST", named("example__away"), message("example__away"))
    assert (status, told["error"]["message"]) == (503, "not connected")


async def test_an_answer_without_room_is_no_reason_to_call_again(tmp_path: Path) -> None:
    app = App(tmp_path)
    transport = httpx2.ASGITransport(app=Edge(app.direct, "mcp-orchestrator-api"))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as http:
        answer = await http.post("/mcp", headers=named("example__full"), content=message("example__full"))
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, False)
