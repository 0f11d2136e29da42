"""Calls of federated tools in the stateless protocol, answered without the SDK's session for each.

Only what is in every way as it should be is answered here, by the SDK's own checks and models; all else is
left to the SDK's manager, whose rejections stay the only ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.server.lowlevel.server import Server
from mcp.server.runner import modern_error_data
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_METHOD_HEADER,
    InboundLadderRejection,
    classify_inbound_request,
    validate_mcp_param_headers,
)
from mcp_types import SERVER_INFO_META_KEY, CallToolResult, JSONRPCRequest, methods
from opentelemetry import trace
from pydantic_core import from_json, to_json
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_services.core import exchange, jsonrpc
from mcp_services.orchestrator.federation import SEPARATOR
from mcp_services.orchestrator.server import Orchestrator

_METHOD = "tools/call"
_JSON = "application/json"


@dataclass(frozen=True)
class _Call:
    id: str | int
    version: str
    name: str
    args: dict[str, Any]


class DirectCalls:
    """Answers calls of federated tools, and leaves everything else to another application."""

    def __init__(self, orchestrator: Orchestrator, server: Server[Any], others: ASGIApp) -> None:
        """Call by `orchestrator`, in the name of `server`."""
        self._orchestrator, self._server, self._others = orchestrator, server, others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose body comes in one piece."""
        first = await receive()
        call = self._read(scope, first)
        if call is not None:
            response = await self._answer(call)
            return await response(scope, receive, send)
        waiting = [first]

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        return await self._others(scope, again, send)

    def _read(self, scope: Scope, message: Message) -> _Call | None:
        headers = exchange.current().headers
        if not _may_be_call(scope, headers) or message.get("more_body", True):
            return None
        try:
            decoded = from_json(message["body"])
            request = JSONRPCRequest.model_validate(decoded)
            route = classify_inbound_request(decoded, headers=headers)
            if isinstance(route, InboundLadderRejection):
                return None
            methods.validate_client_request(_METHOD, route.protocol_version, request.params)
        except ValueError:
            return None
        params = request.params or {}
        name, args = params["name"], params.get("arguments") or {}
        schema = self._orchestrator.schema(name)
        if SEPARATOR not in name or (schema and validate_mcp_param_headers(schema, args, headers)):
            return None
        return _Call(request.id, route.protocol_version, name, args)

    async def _answer(self, call: _Call) -> Response:
        try:
            result = await self._orchestrator.federated(call.name, call.args, trace.get_current_span())
            shaped = self._shaped(call.version, result)
        except Exception as fault:  # noqa: BLE001 - the SDK says what of it a caller may know
            error = modern_error_data(fault)
            if error.code in {jsonrpc.UNAVAILABLE, jsonrpc.NO_ROOM}:
                again = error.code == jsonrpc.UNAVAILABLE
                return jsonrpc.unavailable(error.message, call.id, again=again)
            status = ERROR_CODE_HTTP_STATUS.get(error.code, 200)
            return jsonrpc.error(status, error.code, error.message, call.id, error.data)
        return Response(to_json({"jsonrpc": "2.0", "id": call.id, "result": shaped}), media_type=_JSON)

    def _shaped(self, version: str, result: CallToolResult) -> dict[str, Any]:
        dumped = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        shaped = methods.serialize_server_result(_METHOD, version, dumped)
        meta = shaped.setdefault("_meta", {})
        if meta.get(SERVER_INFO_META_KEY) is None:
            meta[SERVER_INFO_META_KEY] = self._server.server_info_stamp
        return shaped


def _may_be_call(scope: Scope, headers: Mapping[str, str]) -> bool:
    return (
        scope["method"] == "POST"
        and headers.get(MCP_METHOD_HEADER) == _METHOD
        and headers.get("content-type", "").startswith(_JSON)
        and _JSON in headers.get("accept", "")
        # Fewer names than lines: a header came twice.
        and len(headers) == len(scope["headers"])
    )
