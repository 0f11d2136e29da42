"""What the proxy reads in MCP messages and changes in their results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from mcp.shared.inbound import (
    MCP_PROTOCOL_VERSION_HEADER,
    InboundLadderRejection,
    classify_inbound_request,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from mcp_services.core import results
from mcp_services.core.headers import doubled
from mcp_services.core.identity import Subject
from mcp_services.core.jsonrpc import HEADER_MISMATCH
from mcp_services.documents import Phase
from mcp_services.policy.engine import Engine, Question

PASSED = frozenset(
    {"server/discover", "initialize", "ping", "notifications/initialized", "notifications/cancelled"}
)
"""Methods that reach no tool."""

JsonObject = dict[str, Any]


class MalformedError(Exception):
    """A message that goes no further: JSON-RPC code, text, and the request's id."""

    def __init__(self, code: int, message: str, request_id: object = None) -> None:
        """Refuse with HTTP 400."""
        super().__init__(message)
        self.code, self.message, self.request_id = code, message, request_id


@dataclass(frozen=True)
class Message:
    """One JSON-RPC request or notification."""

    method: str
    id: object
    params: JsonObject
    modern: bool


def read(body: bytes, headers: Mapping[str, str], raw: Sequence[tuple[bytes, bytes]]) -> Message:
    """Parse a message; in the stateless protocol its headers must say the same as its body.

    Raises:
        MalformedError: It is no single JSON-RPC message, or header and body disagree.
    """
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedError(-32700, "Parse error") from None
    if not isinstance(decoded, dict) or not isinstance(decoded.get("method"), str):
        raise MalformedError(-32600, "Body must be a single JSON-RPC request or notification object")
    request_id, params = decoded.get("id"), decoded.get("params", {})
    if not isinstance(params, dict):
        raise MalformedError(-32602, "params must be an object", request_id)
    version = headers.get(MCP_PROTOCOL_VERSION_HEADER)
    modern = version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS
    if modern and "id" in decoded:
        if twice := doubled(headers, raw):
            raise MalformedError(HEADER_MISMATCH, f"{twice} header appears more than once", request_id)
        verdict = classify_inbound_request(decoded, headers=headers)
        if isinstance(verdict, InboundLadderRejection):
            raise MalformedError(verdict.code, verdict.message, request_id)
    return Message(decoded["method"], request_id, params, modern)


def visible_tools(body: bytes, engine: Engine, subject: Subject, *, modern: bool) -> bytes:
    """A `tools/list` answer with only the tools that `subject` may see, and which no cache may share."""
    answer: JsonObject = orjson.loads(body)
    result = answer.get("result")
    if not isinstance(result, dict):
        return body
    result["tools"] = [
        tool
        for tool in result.get("tools", [])
        if engine.decide(Question(Phase.LIST, subject, str(tool.get("name", "")))).allowed
    ]
    if modern:
        result["cacheScope"], result["ttlMs"] = "private", 0
    return orjson.dumps(answer)


def result_facts(status: int, body: bytes, *, events: bool = False) -> JsonObject:
    """What result rules may look at; of an event stream, the texts of all its messages.

    Raises:
        orjson.JSONDecodeError: There is no message in it, so nothing can be decided or given back.
    """
    lines = [body]
    if events:
        data = (line.removeprefix(b"data:") for line in body.splitlines() if line.startswith(b"data:"))
        lines = [line for line in data if line.strip()] or [b""]
    try:
        return results.facts(*map(orjson.loads, lines), size=len(body))
    except orjson.JSONDecodeError:
        if status < results.ERROR_FROM:
            raise
        return results.facts(body.decode(errors="replace"), size=len(body))
