"""How much memory the answers that are held whole may take, and what is told where there is none."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import httpx2
import orjson
import pytest
from mcp_services.core import exchange
from mcp_services.core.edge import Edge
from mcp_services.core.exchange import Exchange
from mcp_services.core.identity import InternalTokens, Subject
from mcp_services.core.room import NoRoomError, Room
from mcp_services.core.settings import RoleSettings
from mcp_services.documents import PoliciesDocument
from mcp_services.orchestrator import responses
from mcp_services.policy import app as policy_app
from mcp_services.policy import messages
from mcp_services.policy.engine import CelEngine
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message

_ASKED = {
    "subject": {"id": "alice", "kind": "user", "scopes": [], "groups": []},
    "tool": "s__tool",
    "phase": "call",
    "args": {},
}


def asking(room: Room, subject: str = "alice") -> Exchange:
    """The exchange of a request that takes its room there."""
    at = exchange.begin(None)
    at.room, at.subject = room, subject
    return at


def test_what_an_exchange_holds_is_given_back_at_its_end_after_which_it_takes_nothing() -> None:
    room = Room(4000)
    at = asking(room)
    assert at.hold(b"x" * 500) == 2000
    at.let_go(1200)
    assert (at.held, room._taken.total()) == (800, 800)
    at.end()
    assert at.hold(b"x" * 500) == 0
    at.let_go(800)
    assert (at.held, room._taken.total()) == (0, 0)


async def test_events_before_the_response_take_room_one_after_the_other() -> None:
    room = Room(4000)
    at = asking(room)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"data: " + b"x" * 200
            yield b"\n\n"

    # What another step of the same run holds stays.
    other = at.hold(b"x" * 100)
    assert len([data async for data in responses.events(pieces())]) == 50
    assert (at.held, room._taken.total()) == (other, other)


async def test_an_event_for_which_there_is_no_room_is_not_read() -> None:
    room = Room(4000)
    room.take("bob", 0, b"x" * 700)
    asking(room)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"data: " + b"x" * 600

    with pytest.raises(NoRoomError) as refused:
        await anext(responses.events(pieces()))
    assert refused.value.ever


class _Listing:
    """An answer of the orchestrator's to `tools/list`."""

    status, content_type, content_length = 200, "application/json", None
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, content: bytes) -> None:
        self._left = [content]

    def __aiter__(self) -> "_Listing":
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self])

    def release(self) -> None:
        """Nothing to release."""


@pytest.mark.parametrize(("most", "taken", "status"), [(4000, 700, 503), (400, 0, 502), (4000, 0, 200)])
async def test_a_listing_that_finds_no_room_is_worth_another_try_unless_it_never_would(
    tmp_path: Path, most: int, taken: int, status: int
) -> None:
    room = Room(most)
    if taken:
        room.take("bob", 0, b"x" * taken)
    asking(room)
    settings = policy_app.PolicySettings(internal_key_file=tmp_path / "key")
    proxy = policy_app.PolicyProxy(settings, lambda: CelEngine(PoliciesDocument()))
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    request = Request({"type": "http", "method": "POST"}, receive)
    message = messages.Message("tools/list", 1, {}, modern=True)
    call = policy_app._Call(request, b"", message, Subject("alice", "user"), "")
    listing = _Listing(b'{"id": 1, "result": {"tools": []}}' + b" " * 300)
    await proxy._give_back(call, listing, receive, send)
    assert sent[0]["status"] == status
    assert ((b"retry-after", b"1") in sent[0]["headers"]) is (status == 503)


async def _decide(folder: Path, content: bytes, room: Room | None = None) -> httpx2.Response:
    """What the policy proxy says to such a question of the orchestrator's."""
    (folder / "key").write_text("k" * 32)
    settings = policy_app.PolicySettings(internal_key_file=folder / "key")
    document = PoliciesDocument.model_validate({"rules": [{"name": "all"}]})
    proxy = policy_app.PolicyProxy(settings, lambda: CelEngine(document))
    token = InternalTokens(folder / "key", "test").mint(Subject("mcp-orchestrator-api", "service"))
    routes = [Route("/v1/decide", proxy.decide, methods=["POST"])]
    transport = httpx2.ASGITransport(app=Edge(Starlette(routes=routes), "mcp-policy-proxy", room))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as http:
        headers = {"Authorization": f"Bearer {token}"}
        return await http.post("/v1/decide", headers=headers, content=content)


async def test_a_question_to_the_policy_proxy_is_read_up_to_its_bound_and_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = orjson.dumps(_ASKED)
    monkeypatch.setattr(policy_app, "MOST_ASKED_BYTES", len(question))
    assert (await _decide(tmp_path, question)).json()["allowed"] is True
    refused = await _decide(tmp_path, question + b" ")
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, -32600)


async def test_a_question_to_the_policy_proxy_finds_room_or_comes_again(tmp_path: Path) -> None:
    room = Room(4000)
    room.take("bob", 0, b"x" * 700)
    refused = await _decide(tmp_path, orjson.dumps(_ASKED | {"workflow": "w" * 300}), room)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert room._taken.total() == 2800


def test_the_result_of_any_step_may_be_asked_about() -> None:
    assert policy_app.MOST_ASKED_BYTES > responses.MOST_BYTES


def test_the_memory_of_bodies_is_told_by_the_environment_and_is_a_number_of_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BODY_MEMORY_BYTES", "1000000")
    assert RoleSettings().body_memory_bytes == 1_000_000
    for wrong in ("0", "-1", "64Mi"):
        monkeypatch.setenv("BODY_MEMORY_BYTES", wrong)
        with pytest.raises(ValidationError, match="body_memory_bytes"):
            RoleSettings()
