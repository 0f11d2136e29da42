"""How much memory the bodies of requests may take, whatever is in them."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from mcp_services.core import exchange, relay
from mcp_services.core.edge import Edge
from mcp_services.core.identity import InternalTokens, Subject
from mcp_services.core.room import NoRoomError, Room, weight
from mcp_services.documents import PoliciesDocument
from mcp_services.orchestrator.app import Doorkeeper
from mcp_services.policy import app as policy_app
from mcp_services.policy import messages
from mcp_services.policy.engine import CelEngine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALL = PoliciesDocument.model_validate({"rules": [{"name": "all"}]})
_CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "s__tool", "arguments": {}}}


@pytest.mark.parametrize(
    "value",
    [b"[]", b'{"":0}', b'{"":{"":{}}}', b"[[[[]]]]", b"1.5", b"-77777", b'"ab"', b'["ab"]', b'"abcdefgh"'],
)
def test_a_body_is_charged_with_about_what_its_values_take(value: bytes) -> None:
    body = b"[" + b",".join([value] * 20_000) + b"]"
    tracemalloc.start()
    try:
        kept = orjson.loads(body)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == 20_000
    assert weight(body) > 0.7 * taken


def test_a_text_is_charged_with_its_bytes_and_not_as_many_values() -> None:
    assert weight(b'{"text":"' + b"x" * 2**20 + b'"}') < 4 * 2**20 + 500


def test_a_subject_has_three_quarters_of_the_room_and_all_together_the_whole() -> None:
    room, piece = Room(4000), b"x" * 250
    assert [room.take("alice", held, piece) for held in (0, 1000, 2000)] == [1000] * 3
    with pytest.raises(NoRoomError) as refused:
        room.take("alice", 0, b"x")
    assert refused.value.ever
    assert room.take("bob", 0, piece) == 1000
    with pytest.raises(NoRoomError):
        room.take("carol", 0, b"x")
    room.leave("alice", 3000)
    assert room.take("carol", 0, piece) == 1000


def test_what_has_no_room_even_alone_never_has() -> None:
    room = Room(4000)
    taken = room.take("alice", 0, b"x" * 700)
    with pytest.raises(NoRoomError) as refused:
        room.take("alice", taken, b"x" * 100)
    assert not refused.value.ever
    room.leave("alice", taken)
    assert not room._taken


@asynccontextmanager
async def asking(app: ASGIApp, room: Room | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application behind the edge."""
    transport = httpx2.ASGITransport(app=Edge(app, "test", room))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as http:
        yield http


async def test_what_finds_no_room_comes_again_and_finds_it_once_others_are_answered() -> None:
    answering, room = asyncio.Event(), Room(8000)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        at = exchange.current()
        at.subject = at.headers["who"]
        try:
            body = await relay.read_body(Request(scope, receive), 10_000)
        except relay.UNREAD as error:
            return await relay.unread(error)(scope, receive, send)
        await answering.wait()
        return await PlainTextResponse(str(len(body)))(scope, receive, send)

    async with asking(app, room) as http:

        async def ask(who: str, size: int = 1000) -> httpx2.Response:
            return await http.post("/", headers={"who": who}, content=b"x" * size)

        waiting = [asyncio.create_task(ask(who)) for who in ("alice", "bob")]
        while room._taken.total() < 8000:
            await asyncio.sleep(0)
        refused = await asyncio.wait_for(ask("carol"), 1)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert (await ask("carol", 1600)).status_code == 413
        answering.set()
        assert [(await one).text for one in waiting] == ["1000", "1000"]
        assert (await ask("carol")).text == "1000"
        assert (await ask("carol", 0)).text == "0"
    assert not room._taken


async def test_arguments_are_not_kept_once_they_were_decided_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("k" * 32)
    settings = policy_app.PolicySettings(internal_key_file=tmp_path / "key")
    proxy = policy_app.PolicyProxy(settings, lambda: CelEngine(_ALL))
    read, seen = messages.read, []

    def noted(*given: Any) -> messages.Message:  # noqa: ANN401 - as messages.read
        seen.append(read(*given))
        return seen[-1]

    async def forward(call: policy_app._Call, receive: Receive, send: Send) -> None:
        assert call.message.params == {}
        await PlainTextResponse(call.tool)(call.request.scope, receive, send)

    monkeypatch.setattr(messages, "read", noted)
    monkeypatch.setattr(proxy, "_forward", forward)
    token = InternalTokens(tmp_path / "key", "test").mint(Subject("alice", "user"))
    async with asking(proxy.mcp) as http:
        answer = await http.post("/mcp", headers={"Authorization": f"Bearer {token}"}, json=_CALL)
    assert (answer.text, len(seen)) == ("s__tool", 1)


async def test_the_orchestrator_gives_a_body_on_as_a_whole_or_has_no_room_for_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 32)
    tokens, seen = InternalTokens(tmp_path / "key", "test"), list[Message]()

    async def mcp(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await receive())
        await PlainTextResponse("ok")(scope, receive, send)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"{"
        yield b"}"

    headers = {"Authorization": f"Bearer {tokens.mint(Subject('alice', 'user'))}"}
    async with asking(Doorkeeper(tokens, mcp, Starlette()), Room(2000)) as http:
        assert (await http.post("/mcp", headers=headers, content=pieces())).text == "ok"
        assert (await http.post("/mcp", headers=headers, content=b"[]," * 100)).status_code == 413
    assert seen == [{"type": "http.request", "body": b"{}", "more_body": False}]
