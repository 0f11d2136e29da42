"""How a tool's answer goes back: as it comes, or only once a rule has decided on it as a whole."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Send

from mcp_services.core import exchange, jsonrpc, relay
from mcp_services.core.hop import Answer
from mcp_services.core.identity import Subject
from mcp_services.core.room import NoRoomError
from mcp_services.documents import Phase
from mcp_services.policy.engine import Decision, Engine, Question

MOST_BYTES = 4 * 1024 * 1024
"""The largest answer that is decided on."""

_TOO_LARGE = "result-size", f"a result of more than {MOST_BYTES} bytes is not decided on"
_TOO_MUCH = "result-size", "a result that takes more memory than one call may is not decided on"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """A call whose answer is to be given back.

    Attributes:
        request: As it came.
        subject: Who called.
        tool: What was called.
        facts: What rules may look at in an answer, by its status and content.
        id: The request's, for JSON-RPC.
    """

    request: Request
    subject: Subject
    tool: str
    facts: Callable[[int, bytes], Mapping[str, Any]]
    id: object = None

    def question(self, facts: Mapping[str, Any] | None = None) -> Question:
        """Whether an answer with these facts may be given back."""
        return Question(Phase.RESULT, self.subject, self.tool, result=facts or {})


def refusal(decision: Decision, tool: str, request_id: object) -> Response:
    """403, naming the rule."""
    data = {"rule": decision.rule, "reason": decision.reason, "tool": tool}
    message = f"refused by rule {decision.rule!r}: {decision.reason}"
    return jsonrpc.error(403, jsonrpc.REFUSED, message, request_id, data)


class _Copy:
    """Sends an answer on, and keeps it as long as it is not too large to be decided on and there is room."""

    def __init__(self, send: Send) -> None:
        self._send, self._at = send, exchange.current()
        self._held = 0
        self.content: bytearray | None = bytearray()
        self.left_out: tuple[str, str] | None = None

    async def __call__(self, message: Message) -> None:
        if self.content is not None:
            self._keep(self.content, message.get("body", b""))
        await self._send(message)

    def _keep(self, content: bytearray, piece: bytes) -> None:
        try:
            self._held += self._at.hold(piece)
        except NoRoomError as error:
            self._drop(None if error.ever else _TOO_MUCH)
            return
        content += piece
        if len(content) > MOST_BYTES:
            self._drop(_TOO_LARGE)

    def _drop(self, why: tuple[str, str] | None) -> None:
        self.content, self.left_out = None, why
        self._at.let_go(self._held)


async def give_back(engine: Engine, asked: Asked, answer: Answer, send: Send) -> None:
    """Give an answer back as it comes unless a rule asks for it; then what was decided on, or a refusal.

    In dry run nothing is held back: the answer is decided on once it is gone, to be counted and logged.
    """
    if not engine.needs(Phase.RESULT, asked.tool):
        await relay.answer(answer, send)
    elif engine.enforces(Phase.RESULT, asked.tool):
        response = await _decided(engine, asked, answer)
        await response(asked.request.scope, asked.request.receive, send)
    else:
        copy = _Copy(send)
        await relay.answer(answer, copy)
        _note(engine, asked, answer.status, copy)


async def _decided(engine: Engine, asked: Asked, answer: Answer) -> Response:
    try:
        content = await relay.read_answer(answer, MOST_BYTES)
    except relay.TooLargeError:
        return refusal(engine.refuse(asked.question(), *_TOO_LARGE), asked.tool, asked.id)
    except NoRoomError as error:
        if error.ever:
            return relay.unheld(error, asked.id, again=asked.request.method == "GET")
        return refusal(engine.refuse(asked.question(), *_TOO_MUCH), asked.tool, asked.id)
    decision = engine.decide(asked.question(asked.facts(answer.status, content)))
    if not decision.allowed:
        return refusal(decision, asked.tool, asked.id)
    return Response(content, answer.status, relay.returned(answer.headers))


def _note(engine: Engine, asked: Asked, status: int, copy: _Copy) -> None:
    if copy.left_out is not None:
        engine.refuse(asked.question(), *copy.left_out, dry_run=True)
    if copy.content is None:
        if copy.left_out is None:
            _LOG.warning("result not decided on", extra={"tool": asked.tool[:128], "error": "no room"})
        return
    try:
        engine.decide(asked.question(asked.facts(status, bytes(copy.content))))
    except orjson.JSONDecodeError:
        _LOG.warning("result not decided on", extra={"tool": asked.tool[:128], "error": "no JSON"})
