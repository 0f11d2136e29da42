"""Passes a request on and its answer back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import aiohttp
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

_CHUNK = 64 * 1024
_DISCARD_SECONDS = 2.0
_FORWARDED = frozenset(
    {"accept", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name", "last-event-id"}
)
STREAM_HEADER = "X-MCP-Stream"
"""On a call whose progress is worth streaming: the headers of the older protocol do not tell the tool."""

_RETURNED = ("content-type", "cache-control", "allow", "location", "retry-after")


class TooLargeError(Exception):
    """The body is larger than allowed."""


async def read_body(request: Request, most: int, seconds: float | None = None) -> bytes:
    """The whole body.

    Raises:
        TooLargeError: It has more than `most` bytes.
        TimeoutError: It did not come within `seconds`.
    """
    stream = request.stream()
    declared = request.headers.get("content-length", "")
    try:
        async with asyncio.timeout(seconds):
            return await _read(stream, most, int(declared) if declared.isdigit() else 0)
    except TooLargeError:
        await _discard(stream, most)
        raise


async def _read(stream: AsyncIterator[bytes], most: int, declared: int) -> bytes:
    if declared > most:
        raise TooLargeError
    parts: list[bytes] = []
    size = 0
    async for part in stream:
        size += len(part)
        if size > most:
            raise TooLargeError
        parts.append(part)
    return b"".join(parts)


async def _discard(stream: AsyncIterator[bytes], most: int) -> None:
    """Read on for a while: a client that is still sending would meet a reset connection, not our answer."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            async for part in stream:
                size += len(part)
                if size > most:
                    return


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a client that go on; all others stop here, so none of ours can be spoofed."""
    return {
        name: value for name, value in headers.items() if name in _FORWARDED or name.startswith("mcp-param-")
    }


def returned(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that go back."""
    return {name: headers[name] for name in _RETURNED if name in headers}


async def answer(upstream: aiohttp.ClientResponse, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an upstream answer on: at once when it is small, else in the pieces in which it comes."""
    headers = returned(upstream.headers)
    if upstream.content_length is not None and upstream.content_length <= _CHUNK:
        response: Response = Response(await upstream.read(), upstream.status, headers)
    else:
        response = StreamingResponse(_pieces(upstream), upstream.status, headers)
    await response(scope, receive, send)


async def _pieces(upstream: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for piece in upstream.content.iter_any():
        yield piece
