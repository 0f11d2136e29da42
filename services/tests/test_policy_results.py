"""How the policy proxy holds back an answer that a rule is to decide on."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from mcp_services.core import exchange
from mcp_services.core.hop import Answer
from mcp_services.core.identity import Subject
from mcp_services.core.room import Room
from mcp_services.core.upstream import Outgoing, Pool, http_client
from mcp_services.documents import PoliciesDocument
from mcp_services.policy.answers import Asked, give_back
from mcp_services.policy.engine import CelEngine
from mcp_services.policy.messages import result_facts
from prometheus_client import REGISTRY
from starlette.requests import Request
from starlette.types import Message

ALICE = Subject("alice", "user", ("tools",))
MOST = 4 * 1024 * 1024
RULE: dict[str, object] = {
    "name": "no-secrets",
    "effect": "deny",
    "phases": ["result"],
    "tools": ["s__*"],
    "when": "result.isError",
}
Document = Mapping[str, object]
Facts = Callable[[int, bytes], Mapping[str, Any]]

WITH_RULE: Document = {"rules": [RULE]}
DRY: tuple[Document, ...] = ({"rules": [RULE], "dryRun": True}, {"rules": [RULE | {"dryRun": True}]})


@asynccontextmanager
async def answered(size: int) -> AsyncIterator[Answer]:
    """An answer of so many bytes, in pieces."""

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for sent in range(0, size, 2**16):
            await answer.write(b"x" * min(2**16, size - sent))
        return answer

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with http_client() as client:
        pool = Pool("test", "service", f"http://127.0.0.1:{runner.addresses[0][1]}", client)
        async with pool.request(Outgoing("GET", "/", {})) as answer:
            yield answer
    await runner.cleanup()


def facts(_: int, content: bytes) -> Mapping[str, Any]:
    return {"isError": True, "text": "", "size": len(content)}


async def given_back(
    size: int, document: Document = WITH_RULE, tool: str = "s__tool", looked_at: Facts = facts
) -> tuple[int, list[bytes]]:
    """The status and the pieces in which an answer of so many bytes goes back."""
    engine = CelEngine(PoliciesDocument.model_validate(document))
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async with answered(size) as answer:
        asked = Asked(Request({"type": "http", "method": "POST"}, receive), ALICE, tool, looked_at, 7)
        await give_back(engine, asked, answer, send)
    return sent[0]["status"], [one["body"] for one in sent[1:] if one["body"]]


def decisions(decision: str, rule: str) -> float:
    """How many results were decided on so."""
    labels = {"phase": "result", "decision": decision, "rule": rule}
    return REGISTRY.get_sample_value("mcp_policy_decisions_total", labels) or 0.0


async def test_a_tool_that_no_rule_on_results_is_about_is_not_held_back() -> None:
    status, pieces = await given_back(MOST + 1, tool="t__tool")
    assert (status, sum(map(len, pieces))) == (200, MOST + 1)
    assert len(pieces) > 1


async def test_a_result_is_decided_on_as_a_whole() -> None:
    status, pieces = await given_back(MOST, {"rules": [RULE | {"when": "!result.isError"}]})
    assert (status, [len(piece) for piece in pieces]) == (200, [MOST])


async def test_a_result_that_is_too_large_to_be_held_back_is_refused_by_name_and_counted() -> None:
    before = decisions("deny", "result-size")
    status, pieces = await given_back(MOST + 1)
    assert status == 403
    assert b"result-size" in pieces[0]
    assert decisions("deny", "result-size") == before + 1


@pytest.mark.parametrize("document", DRY)
@pytest.mark.parametrize(("size", "rule"), [(MOST + 1, "result-size"), (MOST, "no-secrets")])
async def test_in_dry_run_a_result_goes_on_as_it_comes_and_what_would_refuse_it_is_counted(
    size: int, rule: str, document: Document
) -> None:
    before = decisions("dry_run_deny", rule)
    status, pieces = await given_back(size, document)
    assert (status, sum(map(len, pieces))) == (200, size)
    assert len(pieces) > 1
    assert decisions("dry_run_deny", rule) == before + 1


async def test_in_dry_run_a_result_that_no_rule_could_be_asked_about_goes_on() -> None:
    status, pieces = await given_back(9, DRY[0], looked_at=result_facts)
    assert (status, pieces) == (200, [b"x" * 9])


@pytest.mark.parametrize(("room", "status"), [(Room(1000), 403), (Room(40_000), 503)])
async def test_a_result_that_finds_no_room_is_refused_by_name_or_told_without_asking_for_another_call(
    room: Room, status: int
) -> None:
    if status == 503:
        room.take("bob", 0, b"x" * 7000)
    at = exchange.begin(None)
    at.room, at.subject = room, "alice"
    got, pieces = await given_back(5000)
    at.end()
    assert got == status
    assert (b"result-size" in pieces[0]) is (status == 403)
    assert room._taken["alice"] == 0


async def test_in_dry_run_a_result_that_finds_no_room_goes_on_and_holds_none() -> None:
    at = exchange.begin(None)
    at.room, at.subject = Room(1000), "alice"
    before = decisions("dry_run_deny", "result-size")
    status, pieces = await given_back(5000, DRY[0])
    assert (status, sum(map(len, pieces)), at.held) == (200, 5000, 0)
    assert decisions("dry_run_deny", "result-size") == before + 1
