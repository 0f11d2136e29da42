"""The five services by what they do: a call through all of them, refusals, its trace, changed settings."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
import kr8s
import pytest
import yaml
from kr8s.objects import Pod, new_class
from mcp.shared.exceptions import MCPError

from a1platform.platform.namespaces import ARGO_CD
from a1platform.services.builders.workload import DOCUMENTS
from a1platform.services.catalog import TRACEHUB
from a1platform.services.model import HTTP_PORT
from a1platform.services.resolve import NAMESPACE
from a1platform.services.shared import FOLDER
from tests.smoke.conftest import Outputs, listed
from tests.smoke.reach import Connect, reached
from tests.smoke.rest import Manifest, Rest, as_applied
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.smoke, pytest.mark.part("mcp-services")]
pytest_plugins = ["tests.smoke.mcp_client"]

Application = new_class("Application", "argoproj.io/v1alpha1", asyncio=False, namespaced=True)
_POLICIES = "policies.yaml"
_SKIP = "argocd.argoproj.io/skip-reconcile"
_FOLLOWED_SECONDS = 150
"""The kubelet brings a changed ConfigMap to the pods within about a minute."""


async def test_the_official_client_lists_and_calls_a_tool_through_the_whole_chain(connect: Connect) -> None:
    async with connect() as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("example__add", {"a": 2, "b": 40})
    assert "example__add" in names
    assert not result.is_error
    assert result.structured_content == {"result": 42}


async def test_without_a_token_the_answer_is_401(gateway: str) -> None:
    async with httpx2.AsyncClient() as http:
        none = await http.post(f"{gateway}/mcp", json={})
        wrong = await http.post(f"{gateway}/mcp", json={}, headers={"Authorization": "Bearer wrong"})
    assert (none.status_code, wrong.status_code) == (401, 401)
    assert "WWW-Authenticate" in none.headers


async def test_a_tool_that_no_rule_allows_is_refused_with_the_rules_name(connect: Connect) -> None:
    async with connect() as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        with pytest.raises(MCPError, match="default-deny") as refused:
            await client.call_tool("example__fail", {})
    assert "example__fail" not in names
    assert refused.value.error.data["rule"] == "default-deny"


@pytest.mark.parametrize(
    ("workflow", "given", "expected"),
    [
        ("sum-and-tell", {"a": 1, "b": 2, "c": 3, "d": 4}, {"total": 10.0, "text": "the total is 10"}),
        (
            "patient-echo",
            {"text": "late", "seconds": 0.2},
            {
                "wait": {"text": "waited 0.2 s", "result": "waited 0.2 s"},
                "echo": {"text": "late", "result": "late"},
            },
        ),
    ],
)
async def test_each_example_workflow_runs_under_the_same_rules(
    connect: Connect, workflow: str, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    async with connect() as client:
        result = await client.call_tool("workflow_run", {"workflow": workflow, "input": given})
    assert result.structured_content is not None
    assert result.structured_content["status"] == "succeeded"
    assert result.structured_content["output"] == expected


async def test_a_call_is_found_by_its_correlation_id_with_a_span_of_each_service(
    connect: Connect, api: kr8s.Api, outputs: Outputs
) -> None:
    correlation = f"a1-smoke-{secrets.token_hex(8)}"
    async with connect(**{"X-Correlation-ID": correlation}) as client:
        await client.call_tool("example__echo", {"text": "hello"})
    wanted = {"mcp-gateway", "mcp-policy-proxy", "mcp-orchestrator-api", "example-tools"}
    with reached(api, NAMESPACE, TRACEHUB, HTTP_PORT) as url:
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {outputs.api_key}"}) as http:
            for _ in range(20):
                answer = await http.get(f"{url}/v1/correlations/{correlation}")
                traces = answer.json().get("traces", [])
                services = {span["service"] for trace in traces for span in trace["spans"]}
                if services >= wanted:
                    break
                await asyncio.sleep(1)
    assert services == wanted


@contextmanager
def _left_alone(api: kr8s.Api) -> Iterator[None]:
    """Keep Argo CD, where it delivers the documents, from putting them back for a while."""
    named = {"name": FOLDER, "namespace": ARGO_CD}
    shared = [one for one in _applications(api) if one.name == FOLDER]
    for application in shared:
        application.patch({"metadata": {**named, "annotations": {_SKIP: "true"}}})
    try:
        yield
    finally:
        for application in shared:
            application.patch({"metadata": {**named, "annotations": {_SKIP: None}}})


def _applications(api: kr8s.Api) -> list[Any]:
    try:
        return listed(Application, api, namespace=ARGO_CD)
    except (kr8s.NotFoundError, kr8s.ServerError):
        return []  # without Argo CD there is no such kind


@pytest.fixture
def marked(api: kr8s.Api, rest: Rest) -> Iterator[tuple[str, Callable[[], None]]]:
    """A word that no call holds but this run's, and what makes a rule refuse it; the rule goes afterwards."""
    word = f"a1-smoke-{secrets.token_hex(8)}"
    named = {"name": DOCUMENTS, "namespace": NAMESPACE}
    found = rest.get({"apiVersion": "v1", "kind": "ConfigMap", "metadata": named})
    assert found
    owner, before = as_applied(found, _POLICIES)
    policies = yaml.safe_load(before["data"][_POLICIES])
    rule = {
        "name": word,
        "effect": "deny",
        "phases": ["call"],
        "tools": ["example__echo"],
        "when": f'has(args.text) && args.text == "{word}"',
    }
    changed = yaml.safe_dump({**policies, "rules": [*policies["rules"], rule]}, sort_keys=False)
    after = {**before, "data": {**before["data"], _POLICIES: changed}}
    with _left_alone(api):
        yield word, lambda: rest.apply(after, owner)
        assert eventually(lambda: _put_back(rest, before, owner), 120), "the rule is still in force"


def _put_back(rest: Rest, manifest: Manifest, owner: str) -> bool:
    try:
        rest.apply(manifest, owner)
    except (httpx2.HTTPError, AssertionError):
        return False
    return True


async def test_a_change_in_mcp_config_is_followed_without_a_restart(
    connect: Connect, marked: tuple[str, Callable[[], None]], api: kr8s.Api
) -> None:
    word, change = marked
    pods = _started(api)
    async with connect() as client:
        assert not (await client.call_tool("example__echo", {"text": word})).is_error
        refusal = ""
        until = time.monotonic() + _FOLLOWED_SECONDS
        while not refusal and time.monotonic() < until:
            # Again and again: Argo CD may have been at work when it was told to leave the document alone.
            change()
            try:
                await client.call_tool("example__echo", {"text": word})
            except MCPError as error:
                refusal = str(error)
            else:
                await asyncio.sleep(2)
    assert word in refusal
    assert _started(api).items() >= pods.items()


def _started(api: kr8s.Api) -> dict[str, list[str]]:
    """Return when each container of each pod was started."""
    return {
        pod.name: [_since(one) for one in pod.raw["status"].get("containerStatuses", [])]
        for pod in listed(Pod, api, namespace=NAMESPACE)
    }


def _since(container: Mapping[str, Any]) -> str:
    return str(container["state"].get("running", {}).get("startedAt", "never"))
