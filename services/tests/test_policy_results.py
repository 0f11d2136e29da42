"""How the policy proxy holds back an answer that a rule is to decide on."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from mcp_services.core.identity import Subject
from mcp_services.documents import PoliciesDocument
from mcp_services.policy.app import PolicyProxy, PolicySettings
from mcp_services.policy.engine import CelEngine

ALICE = Subject("alice", "user", ("tools",))
MOST = 4 * 1024 * 1024
RULE = {
    "name": "no-secrets",
    "effect": "deny",
    "phases": ["result"],
    "tools": ["s__*"],
    "when": "result.isError",
}


@pytest.fixture
def proxy(tmp_path: Path) -> PolicyProxy:
    """A proxy with a rule on the results of one server's tools."""
    engine = CelEngine(PoliciesDocument.model_validate({"rules": [RULE]}))
    return PolicyProxy(PolicySettings(internal_key_file=tmp_path / "key"), lambda: engine)


@asynccontextmanager
async def answered(size: int) -> AsyncIterator[aiohttp.ClientResponse]:
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
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        yield answer
    await runner.cleanup()


def facts(_: int, content: bytes) -> Mapping[str, Any]:
    return {"isError": False, "text": "", "size": len(content)}


async def test_a_tool_that_no_rule_on_results_is_about_is_not_held_back(proxy: PolicyProxy) -> None:
    async with answered(MOST + 1) as answer:
        assert await proxy._decided(ALICE, "t__tool", answer, facts) is None
        assert len(await answer.read()) == MOST + 1


async def test_a_result_is_decided_on_as_a_whole(proxy: PolicyProxy) -> None:
    async with answered(MOST) as answer:
        response = await proxy._decided(ALICE, "s__tool", answer, facts)
    assert response
    assert (response.status_code, len(response.body)) == (200, MOST)


async def test_a_result_that_is_too_large_to_be_held_back_is_refused_by_name(proxy: PolicyProxy) -> None:
    async with answered(MOST + 1) as answer:
        response = await proxy._decided(ALICE, "s__tool", answer, facts, 7)
    assert response
    assert response.status_code == 403
    assert b"result-size" in response.body
