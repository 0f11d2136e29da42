"""Passes a request on and its answer back."""

import asyncio
import contextlib
from collections.abc import Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Send

from mcp_services.core import connection, exchange, jsonrpc, metrics
from mcp_services.core.connection import CutOffError
from mcp_services.core.hop import Answer
from mcp_services.core.room import NoRoomError
from mcp_services.core.upstream import UnavailableError

_CHUNK = 64 * 1024
_DISCARD_SECONDS = 2.0
_UNTIMED = contextlib.nullcontext()
_FORWARDED = frozenset(
    {"accept", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name", "last-event-id"}
)
STREAM_HEADER = "X-MCP-Stream"
"""On a call whose progress is worth streaming: the headers of the older protocol do not tell the tool."""

_RETURNED = ("content-type", "cache-control", "allow", "location", "retry-after")


class TooLargeError(Exception):
    """The body is larger than allowed."""


UNREAD = (TooLargeError, NoRoomError, TimeoutError)
"""Why a body is not read to its end; `unread` says so to its sender."""
UNHELD = (TooLargeError, NoRoomError)
"""Why an answer is not read to its end; `unheld` says so to who has asked."""


async def read_body(request: Request, most: int, seconds: float | None = None) -> bytes:
    """The whole body.

    Raises:
        TooLargeError: It has more than `most` bytes.
        NoRoomError: The bodies of other requests leave no room for it, or it has too many values.
        TimeoutError: It did not come within `seconds`.
        ClientDisconnect: The client is gone.
    """
    at = exchange.current()
    declared = at.headers.get("content-length", "")
    parts: list[bytes] = []
    size, more = 0, True
    whole = connection.body_is_whole(request.scope)
    try:
        _bound(int(declared) if declared.isdigit() else 0, most)
        async with asyncio.timeout(seconds) if seconds is not None and not whole else _UNTIMED:
            while more:
                part, more = await _part(request.receive)
                size += len(part)
                _bound(size, most)
                at.hold(part)
                parts.append(part)
    except (TooLargeError, NoRoomError):
        parts.clear()
        if more:
            await _discard(request.receive, most)
        raise
    return b"".join(parts)


def unread(error: Exception) -> Response:
    """What to say to the sender of a body that was not read to its end."""
    if isinstance(error, TimeoutError):
        response = jsonrpc.error(408, jsonrpc.INVALID_REQUEST, "body came too slowly")
    elif isinstance(error, NoRoomError) and error.ever:
        metrics.RATELIMITED.labels("bodies").inc()
        response = jsonrpc.unavailable("too large bodies at once")
    else:
        response = jsonrpc.error(413, jsonrpc.INVALID_REQUEST, "body too large, or too many values in it")
    # What may still come of it must not be taken for the next request.
    response.headers["Connection"] = "close"
    return response


def replayed(body: bytes, receive: Receive) -> Receive:
    """What gives a body that was read, then what comes after it."""
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again


def _bound(size: int, most: int) -> None:
    if size > most:
        raise TooLargeError


async def _part(receive: Receive) -> tuple[bytes, bool]:
    """What comes next of a body, and whether there is more."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


async def _discard(receive: Receive, most: int) -> None:
    """Read on for a while: a client that is still sending would meet a reset connection, not our answer."""
    size, more = 0, True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            while more and size <= most:
                part, more = await _part(receive)
                size += len(part)


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a client that go on; all others stop here, so none of ours can be spoofed."""
    return {
        name: value for name, value in headers.items() if name in _FORWARDED or name.startswith("mcp-param-")
    }


def returned(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that go back."""
    return {name: headers[name] for name in _RETURNED if name in headers}


async def read_answer(upstream: Answer, most: int) -> bytes:
    """The whole body of an upstream answer, which takes room as the body of the request does.

    Raises:
        TooLargeError: It has more than `most` bytes.
        NoRoomError: Other bodies leave no room for it, or it has too many values.
    """
    at = exchange.current()
    parts: list[bytes] = []
    size = 0
    async for piece in upstream:
        size += len(piece)
        if size > most:
            raise TooLargeError
        at.hold(piece)
        parts.append(piece)
    return b"".join(parts)


def unheld(error: Exception, request_id: object = None, *, again: bool) -> Response:
    """What to say when an answer is not read to its end; `again` where another try repeats nothing."""
    if isinstance(error, NoRoomError) and error.ever:
        metrics.RATELIMITED.labels("answers").inc()
        return jsonrpc.unavailable("too large answers at once", request_id, again=again)
    said = "the answer is too large, or has too many values in it"
    return jsonrpc.error(502, jsonrpc.UNAVAILABLE, said, request_id)


def unanswered(error: Exception, message: str, request_id: object = None) -> Response:
    """What to say when the next role gives no answer: another try is offered only if it repeats nothing.

    Raises:
        CutOffError: The answer has begun, so there is nothing to say any more.
    """
    at = exchange.current()
    if at.answering:
        at.outcome = "timeout" if isinstance(error, TimeoutError) else "unavailable"
        raise CutOffError(str(error)) from error
    if isinstance(error, TimeoutError):
        return jsonrpc.error(504, jsonrpc.UNAVAILABLE, "no answer in time", request_id)
    again = not (isinstance(error, UnavailableError) and error.may_have_arrived)
    return jsonrpc.unavailable(message, request_id, again=again)


async def answer(upstream: Answer, send: Send) -> None:
    """Send an upstream answer on: at once when it is small, else in the pieces in which it comes."""
    small = upstream.content_length is not None and upstream.content_length <= _CHUNK
    body = await upstream.read() if small else b""
    headers = [
        (name.encode(), upstream.headers[name].encode("latin-1"))
        for name in (*_RETURNED, "content-length")
        if name in upstream.headers
    ]
    await send({"type": "http.response.start", "status": upstream.status, "headers": headers})
    if not small:
        async for piece in upstream:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": body})
