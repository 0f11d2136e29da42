"""What a JSON-RPC response is read from: a body, or the events of a stream, each of a bounded size."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable

from mcp_types import CONNECTION_CLOSED, ErrorData, JSONRPCError, JSONRPCResponse
from mcp_types.jsonrpc import JSONRPCMessage, jsonrpc_message_adapter
from pydantic import ValidationError

from mcp_services.core import exchange, jsonrpc, metrics
from mcp_services.core.hop import Answer
from mcp_services.core.room import NoRoomError
from mcp_services.core.upstream import UnavailableError

MOST_BYTES = 8 * 1024 * 1024
"""Of one message of a server, of which a pod may have many at once."""


class NoResponseError(Exception):
    """A server answered a request with something else than a JSON-RPC response, or what cannot be held."""

    def __init__(self, message: str, code: int = CONNECTION_CLOSED) -> None:
        """Say so; `code` is JSON-RPC's."""
        super().__init__(message)
        self.code = code


def failure(error: Exception) -> ErrorData:
    """Why there is no response, in words that nobody but us has chosen.

    What others say of a malformed answer may quote it, and no rule on results has seen that.
    """
    own = isinstance(error, UnavailableError | NoResponseError | TimeoutError)
    code = error.code if isinstance(error, NoResponseError) else CONNECTION_CLOSED
    return ErrorData(code=code, message=(own and str(error)) or type(error).__name__)


async def events(content: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """The data of each server-sent event (WHATWG HTML, 9.2.6).

    Raises:
        NoResponseError: One is larger than `MOST_BYTES`.
        NoRoomError: There is no room for one; each has its own back once the next is asked for.
    """
    # Counted here, since steps of one run read their answers side by side.
    at, held = exchange.current(), 0
    data: list[bytes] = []
    begun, size = bytearray(), 0
    async for piece in content:
        *lines, rest = piece.split(b"\n")
        for line in lines:
            held += at.hold(line)
            text = bytes(begun + line).rstrip(b"\r")
            begun.clear()
            size += len(text)
            if text.startswith(b"data:"):
                data.append(text[5:].removeprefix(b" "))
            elif not text:
                if data:
                    yield b"\n".join(data)
                data, size = [], 0
                at.let_go(held)
                held = 0
            _bounded(size)
        held += at.hold(rest)
        begun += rest
        _bounded(size + len(begun))


async def _whole(answer: Answer) -> bytes:
    _bounded(answer.content_length or 0)
    at, body = exchange.current(), bytearray()
    async for piece in answer:
        at.hold(piece)
        body += piece
        _bounded(len(body))
    return bytes(body)


def _bounded(size: int) -> None:
    if size > MOST_BYTES:
        raise NoResponseError(f"a message of more than {MOST_BYTES} bytes")


async def response(
    answer: Answer, heard: Callable[[JSONRPCMessage], Awaitable[None]] | None = None
) -> JSONRPCResponse | JSONRPCError:
    """The response in an answer; `heard` is told what comes before it in an event stream.

    Raises:
        NoResponseError: There is none.
    """
    try:
        if answer.content_type != "text/event-stream":
            message = jsonrpc_message_adapter.validate_json(await _whole(answer), by_name=False)
            if isinstance(message, JSONRPCResponse | JSONRPCError):
                return message
        else:
            # A server may leave the stream open after its response.
            async with contextlib.aclosing(events(answer)) as stream:
                async for data in stream:
                    message = jsonrpc_message_adapter.validate_json(data, by_name=False)
                    if isinstance(message, JSONRPCResponse | JSONRPCError):
                        return message
                    if heard:
                        await heard(message)
    except ValidationError:
        raise NoResponseError(f"HTTP {answer.status} without a JSON-RPC message") from None
    except NoRoomError as error:
        if not error.ever:
            raise NoResponseError("a message that takes more memory than one call may") from None
        metrics.RATELIMITED.labels("answers").inc()
        raise NoResponseError("no room for the answer now", jsonrpc.NO_ROOM) from None
    raise NoResponseError(f"HTTP {answer.status} without a response")
