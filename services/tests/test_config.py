"""How documents become configuration, and how the other roles follow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import orjson
import pytest
from aiohttp import web
from mcp_services.config.app import Api
from mcp_services.config.store import MOST_CHARACTERS, InvalidDocumentError, Store, parse
from mcp_services.core.follow import Follower
from mcp_services.core.identity import InternalTokens
from mcp_services.core.settings import RoleSettings
from mcp_services.dev import EXAMPLES
from mcp_services.documents import SCOPES, GatewayDocument, Limits
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.routing import Route


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


STEP = "steps: [{{id: s, server: a, tool: t, args: {{x: {}}}}}]"


@pytest.mark.parametrize("value", ["2024-13-45", "36893488147419103232", "!!binary x", "[" * 5000])
async def test_a_value_that_no_document_can_hold_is_told_and_the_next_change_takes_effect(
    tmp_path: Path, value: str
) -> None:
    store, file = Store(tmp_path), tmp_path / "workflows.yaml"
    watching = asyncio.create_task(store.watch(0.01))
    try:
        file.write_text(f"workflows: [{{name: w, {STEP.format(value)}}}]")
        await eventually(lambda: "workflows" in store.errors)
        file.write_text(f"workflows: [{{name: w, {STEP.format(1)}}}]")
        await eventually(lambda: "workflows" in store.versions)
        assert store.errors == {}
    finally:
        watching.cancel()


async def eventually(true: Callable[[], bool]) -> None:
    """Wait until it is so, 5 s at most."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_look_that_fails_in_itself_is_told_and_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    (tmp_path / "servers.yaml").write_text("servers: []")

    async def fail() -> None:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patched:
        patched.setattr(store, "scan", fail)
        watching = asyncio.create_task(store.watch(0.01))
        await eventually(lambda: sample("mcp_config_stale", role="mcp-config") == 1)
        assert sample("mcp_config_reloads_total", role="mcp-config", result="error")
    await eventually(lambda: "servers" in store.versions)
    assert sample("mcp_config_stale", role="mcp-config") == 0
    watching.cancel()


def sample(name: str, **labels: str) -> float | None:
    """What a metric says."""
    return REGISTRY.get_sample_value(name, labels)


def test_aliases_that_stand_for_more_than_can_be_held_are_refused() -> None:
    laughs = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    laughs += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    for text in ("\n".join(laughs), "a: &a [*a]"):
        with pytest.raises(InvalidDocumentError, match="aliases stand for more"):
            parse("gateway", text)


def test_an_alias_within_reason_stands_for_what_it_names() -> None:
    document = parse("gateway", "hosts: &names [a, b]\norigins: *names")
    assert document == GatewayDocument(hosts=("a", "b"), origins=("a", "b"))


async def test_a_document_is_checked_within_limits() -> None:
    api = Api(Store(Path("/nowhere")), InternalTokens(Path("/nowhere"), "mcp-config"))
    app = Starlette(routes=[Route("/v1/validate", api.validate, methods=["POST"])])
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://config") as http:

        async def asked(document: object, scope: str = "gateway") -> tuple[int, object]:
            answer = await http.post("/v1/validate", json={"scope": scope, "document": document})
            return answer.status_code, answer.json().get("valid")

        assert await asked("hosts: [a]") == (200, True)
        assert await asked("hosts: 2024-13-45") == (200, False)
        assert await asked("#" * (MOST_CHARACTERS + 1)) == (200, False)
        assert await asked("#" * (2 * MOST_CHARACTERS)) == (413, None)
        assert await asked(5) == (400, None)
        assert await asked("hosts: [a]", "nothing") == (400, None)


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
async def following(
    pods: Pods, state: Path, parse: Callable[[Any], Limits] = Limits.model_validate
) -> AsyncIterator[Follower[Limits]]:
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
    follower = Follower("test", "limits", settings, parse)
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


async def test_an_answer_that_is_no_version_is_told_and_the_next_one_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_services.core.follow._AGAIN_SECONDS", 0.02)
    pods = Pods()
    pods.answers = [version("good", 1, burst=1), {"version": "odd"}, version("new", 2, burst=2)]
    async with following(pods, tmp_path) as follower:
        await eventually(lambda: follower.value.burst == 2)
        assert sample("mcp_config_reloads_total", role="test", result="error")
        await eventually(lambda: sample("mcp_config_stale", role="test") == 0)


@pytest.mark.parametrize("fault", [ValueError, TypeError, RecursionError])
async def test_whatever_is_wrong_with_a_first_version_the_one_on_disk_is_used(
    tmp_path: Path, fault: type[Exception]
) -> None:
    (tmp_path / "limits.json").write_bytes(orjson.dumps(version("kept", 1, burst=7)))
    pods = Pods()
    pods.answers = [version("bad", 2, burst=-1)]

    def parsed(document: Any) -> Limits:  # noqa: ANN401 - any JSON value
        if document["burst"] < 0:
            raise fault("not to be used")
        return Limits.model_validate(document)

    async with following(pods, tmp_path, parsed) as follower:
        await asyncio.sleep(0.2)
        assert (follower.version, follower.value.burst) == ("kept", 7)
        pods.answers = [version("good", 3, burst=3)]
        await eventually(lambda: follower.value.burst == 3)
