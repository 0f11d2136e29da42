"""JSON-RPC errors as HTTP answers. A bare JSON body would reach the SDK's client as a generic error."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

INVALID_REQUEST = -32600
INTERNAL_ERROR = -32603
UNAUTHORIZED = -32001
REFUSED = -32003
UNAVAILABLE = -32004
LIMITED = -32005
NO_ROOM = -32006
"""Of an answer that came and could not be held: what was asked for may be done."""
HEADER_MISMATCH = -32020


def error(
    status: int,
    code: int,
    message: str,
    request_id: object = None,
    data: Mapping[str, Any] | None = None,
) -> Response:
    """An HTTP answer whose body is a JSON-RPC error for the request `request_id`."""
    body: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": request_id if isinstance(request_id, str | int) else None,
        "error": {"code": code, "message": message},
    }
    if data is not None:
        body["error"]["data"] = data
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")


def unavailable(message: str, request_id: object = None, *, again: bool = True) -> Response:
    """503, worth another try in a second unless `again` says otherwise."""
    response = error(503, UNAVAILABLE, message, request_id)
    if again:
        response.headers["Retry-After"] = "1"
    return response


def reply(value: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(value), status_code=status, media_type="application/json")
