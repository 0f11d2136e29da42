"""How documents become configuration, and how the other roles follow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from mcp_services.config.store import InvalidDocumentError, Store, parse
from mcp_services.core.follow import Follower
from mcp_services.core.settings import RoleSettings
from mcp_services.dev import EXAMPLES
from mcp_services.documents import SCOPES, Limits


async def test_an_invalid_file_is_named_and_the_version_before_stays(tmp_path: Path) -> None:
    store, file = Store(tmp_path), tmp_path / "gateway.yaml"
    file.write_text("limits: {burst: 5}")
    await store.scan()
    before = store.versions["gateway"]
    file.write_text("limits: {burst: -5}\nhostz: []")
    await store.scan()
    assert store.versions["gateway"] == before
    assert "limits.burst" in store.errors["gateway"]
    assert "hostz" in store.errors["gateway"]
    file.write_text("# the same, said otherwise\nlimits:\n  burst: 5\n")
    await store.scan()
    assert (store.versions["gateway"], store.errors) == (before, {})


async def test_who_waits_is_answered_at_once_by_a_change_and_by_the_end(tmp_path: Path) -> None:
    store, file = Store(tmp_path), tmp_path / "servers.yaml"
    file.write_text("servers: []")
    await store.scan()
    digest = store.versions["servers"].digest
    assert await store.other_than("servers", digest, 0.01) is None
    waiting = asyncio.create_task(store.other_than("servers", digest, 60))
    await asyncio.sleep(0.01)
    file.write_text("servers: [{name: a, url: 'http://a/mcp'}]")
    await store.scan()
    found = await asyncio.wait_for(waiting, 1)
    assert found == store.versions["servers"]
    waiting = asyncio.create_task(store.other_than("servers", found.digest, 60))
    await asyncio.sleep(0.01)
    await store.end()
    assert await asyncio.wait_for(waiting, 1) is None


@pytest.mark.parametrize("scope", SCOPES)
def test_the_documents_that_come_with_the_services_are_valid(scope: str) -> None:
    assert isinstance(parse(scope, (EXAMPLES / f"{scope}.yaml").read_text()), SCOPES[scope])


def test_text_that_is_no_yaml_is_refused() -> None:
    with pytest.raises(InvalidDocumentError, match="not YAML"):
        parse("gateway", "a: [")


class Pods:
    """Answers as the pods of mcp-config do, one after the other."""

    def __init__(self) -> None:
        """Nothing to say yet."""
        self.answers: list[dict[str, Any]] = []

    async def answer(self, request: web.Request) -> web.Response:
        """The next answer; the last one goes on."""
        now = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        etag = f'"{now["version"]}"'
        if request.headers.get("If-None-Match") == etag:
            await asyncio.sleep(0.05)
            return web.Response(status=304)
        return web.Response(body=orjson.dumps(now), headers={"ETag": etag})


@contextlib.asynccontextmanager
async def following(pods: Pods, state: Path) -> AsyncIterator[Follower[Limits]]:
    """A follower of the pods."""
    app = web.Application()
    app.router.add_get("/v1/config/limits", pods.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    key = state / "key"
    key.write_text("k" * 32)
    settings = RoleSettings(
        config_url=f"http://127.0.0.1:{runner.addresses[0][1]}", state_dir=str(state), internal_key_file=key
    )
    follower = Follower("test", "limits", settings, Limits.model_validate)
    async with aiohttp.ClientSession() as client, follower.following(client):
        yield follower
    await runner.cleanup()


def version(name: str, since: float, **document: object) -> dict[str, Any]:
    """What a pod answers."""
    return {"scope": "limits", "version": name, "since": since, "document": document}


async def test_a_pod_that_lags_behind_does_not_bring_the_old_version_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_services.core.follow._AGAIN_SECONDS", 0.02)
    pods = Pods()
    old, new = version("old", 1, burst=1), version("new", 2, burst=2)
    pods.answers = [new, old, old, new]
    async with following(pods, tmp_path) as follower:
        seen: list[int] = []
        follower.on_change(lambda limits: seen.append(limits.burst))
        await asyncio.sleep(0.3)
        assert (follower.version, follower.value.burst, seen) == ("new", 2, [])


async def test_a_version_that_does_not_parse_is_not_asked_for_again_and_again(tmp_path: Path) -> None:
    pods = Pods()
    pods.answers = [version("good", 1, burst=1), version("bad", 2, burst=-1)]
    async with following(pods, tmp_path) as follower:
        await asyncio.sleep(0.2)
        assert follower.value.burst == 1
