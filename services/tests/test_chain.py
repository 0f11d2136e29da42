"""From the official SDK's client through gateway, policy and orchestrator to a real MCP server and back."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from typing import TYPE_CHECKING

import aiohttp
import httpx2
import pytest
from mcp.shared.exceptions import MCPError
from mcp_services.dev import Stack
from mcp_testing.driving import CALL, HEADERS, Ask, Load
from yarl import URL

if TYPE_CHECKING:
    from mcp_services.testing import Connect

pytest_plugins = ["mcp_services.testing"]

MODES = ["auto", "legacy", "2026-07-28"]


async def eventually(url: str, key: str, seconds: float = 5.0) -> httpx2.Response:
    """The first answer that is not 404."""
    deadline = time.monotonic() + seconds
    async with httpx2.AsyncClient(headers={"X-API-Key": key}) as http:
        while True:
            answer = await http.get(url)
            if answer.status_code != 404 or time.monotonic() > deadline:
                return answer
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("mode", MODES)
async def test_the_sdk_lists_and_calls_a_tool_through_the_whole_chain(connect: Connect, mode: str) -> None:
    async with connect(mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("example__add", {"a": 2, "b": 40})
    assert {"example__echo", "example__add", "workflow_run"} <= names
    assert not result.is_error
    assert result.structured_content == {"result": 42}


async def test_a_tool_that_no_rule_allows_is_neither_shown_nor_called(connect: Connect) -> None:
    async with connect() as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        with pytest.raises(MCPError, match="default-deny") as refused:
            await client.call_tool("example__fail", {})
    assert "example__fail" not in names
    assert refused.value.error.data["rule"] == "default-deny"


async def test_a_rule_on_arguments_refuses_by_its_name(connect: Connect) -> None:
    async with connect() as client:
        with pytest.raises(MCPError, match="no-secrets-in-arguments"):
            await client.call_tool("example__echo", {"text": "-----BEGIN PRIVATE KEY-----"})


async def test_without_a_token_the_answer_is_401_and_says_where_to_get_one(stack: Stack) -> None:
    async with httpx2.AsyncClient() as http:
        answer = await http.post(f"{stack.url('mcp-gateway')}/mcp", json={})
        challenge = answer.headers["WWW-Authenticate"]
        metadata = await http.get(challenge.split('"')[1])
    assert answer.status_code == 401
    assert metadata.json()["resource"] == f"{stack.url('mcp-gateway')}/mcp"


async def test_a_call_is_found_by_its_correlation_id_with_a_span_of_each_service(
    stack: Stack, connect: Connect
) -> None:
    headers = {"X-Correlation-ID": "chain-test-1"}
    async with connect("2026-07-28", **headers) as client:
        await client.call_tool("example__echo", {"text": "hello"})
    await asyncio.sleep(2.5)
    url = f"{stack.url('mcp-tracehub')}/v1/correlations/chain-test-1"
    found = (await eventually(url, stack.api_key)).json()
    spans = [span for trace in found["traces"] for span in trace["spans"]]
    # The SDK's own would tell nothing more.
    assert not [span["name"] for span in spans if span["name"].startswith("MCP ")]
    services = {span["service"] for span in spans}
    assert services == {"mcp-gateway", "mcp-policy-proxy", "mcp-orchestrator-api", "example-tools"}
    # One of each and no more: a span takes as much CPU as all models of the SDK together.
    assert len([span for span in spans if not span["name"].endswith("tools/list")]) == len(services)
    told = [span["attributes"]["mcp.tool"] for span in spans if "mcp.tool" in span["attributes"]]
    assert told == ["example__echo"]


async def test_traces_and_configuration_are_for_those_who_show_a_credential(stack: Stack) -> None:
    async with httpx2.AsyncClient() as http:
        for path in ("traces/00", "correlations/chain-test-1"):
            url = f"{stack.url('mcp-tracehub')}/v1/{path}"
            wrong = await http.get(url, headers={"Authorization": "Bearer wrong"})
            right = await http.get(url, headers={"Authorization": f"Bearer {stack.api_key}"})
            assert [(await http.get(url)).status_code, wrong.status_code] == [401, 401]
            assert right.status_code in {200, 404}
        url = f"{stack.url('mcp-config')}/v1/config/policies"
        assert (await http.get(url)).status_code == 401
        assert (await http.get(url, headers={"X-API-Key": stack.api_key})).status_code == 401


async def test_a_changed_document_is_followed_within_five_seconds_without_a_restart(
    stack: Stack, connect: Connect
) -> None:
    policies = stack.documents / "policies.yaml"
    before = policies.read_text()
    async with connect() as client:
        policies.write_text(before.replace('"example__add", ', ""))
        try:
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                names = {tool.name for tool in (await client.list_tools()).tools}
                if "example__add" not in names:
                    break
                await asyncio.sleep(0.1)
            assert "example__add" not in names
            policies.write_text("rules: [{name: broken, when: 'nothing.like.this'}]")
            await asyncio.sleep(2.5)
            assert {tool.name for tool in (await client.list_tools()).tools} == names
        finally:
            policies.write_text(before)
            await asyncio.sleep(2.5)
        assert "example__add" in {tool.name for tool in (await client.list_tools()).tools}


@pytest.mark.parametrize("mode", MODES)
async def test_a_workflow_runs_its_steps_and_reports_progress(connect: Connect, mode: str) -> None:
    heard: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)
        assert total == 4
        assert message

    async with connect(mode) as client:
        given = {"workflow": "sum-and-tell", "input": {"a": 1, "b": 2, "c": 3, "d": 4}}
        result = await client.call_tool("workflow_run", given, progress_callback=note)
    assert result.structured_content is not None
    assert result.structured_content["status"] == "succeeded"
    assert result.structured_content["output"] == {"total": 10.0, "text": "the total is 10"}
    assert heard[-1] == 4


async def test_the_rest_interface_runs_a_workflow_under_the_same_rules(stack: Stack) -> None:
    url = f"{stack.url('mcp-gateway')}/api/v1/workflows/patient-echo/runs"
    async with httpx2.AsyncClient(headers={"X-API-Key": stack.api_key}) as http:
        answer = await http.post(url, json={"text": "late", "seconds": 0.1})
        wrong = await http.post(url, json={"text": "late"})
        later = await http.post(f"{url}?async=true", json={"text": "late", "seconds": 0})
    assert answer.json()["output"]["echo"]["text"] == "late"
    assert wrong.status_code == 422
    assert later.status_code == 501


@pytest.mark.parametrize("name", ["patient%2Decho", "patient%252Decho", "patient%25252Decho"])
async def test_a_workflow_has_one_name_by_rest_however_often_it_is_decoded(stack: Stack, name: str) -> None:
    url = f"{stack.url('mcp-gateway')}/api/v1/workflows/{name}/runs"
    async with aiohttp.ClientSession(headers={"X-API-Key": stack.api_key}) as http:
        given = {"text": "late", "seconds": 0}
        async with http.post(URL(url, encoded=True), json=given) as answer:
            assert answer.status == 404


async def test_a_result_is_withheld_from_every_way_in_and_from_the_steps_of_workflows(
    stack: Stack, connect: Connect
) -> None:
    policies = stack.documents / "policies.yaml"
    before = policies.read_text()
    denied = (
        ("no-harm", "result", "example__*", 'result.text.contains("harm")'),
        ("no-woe", "result", "workflow_run", 'result.text.contains("woe")'),
        ("no-xyz", "call", "workflow_run", 'args.input.text == "xyz"'),
    )
    rules = "".join(
        f"\n  - {{name: {name}, phases: [{phase}], effect: deny, tools: ['{tool}'], when: '{when}'}}"
        for name, phase, tool, when in denied
    )
    url = f"{stack.url('mcp-gateway')}/api/v1/workflows/patient-echo/runs"

    async def run(text: str) -> httpx2.Response:
        async with httpx2.AsyncClient(headers={"X-API-Key": stack.api_key}) as http:
            return await http.post(url, json={"text": text, "seconds": 0})

    try:
        policies.write_text(before + rules)
        await asyncio.sleep(3)
        harm, woe, xyz, fine = [await run(text) for text in ("harm", "woe", "xyz", "fine")]
        async with connect() as client:
            with pytest.raises(MCPError, match="no-harm"):
                await client.call_tool("example__echo", {"text": "harm"})
    finally:
        policies.write_text(before)
        await asyncio.sleep(3)
    assert (harm.json()["status"], harm.json()["output"]) == ("refused", None)
    assert "no-harm" in harm.json()["error"]
    assert [(one.status_code, one.json()["error"]["data"]["rule"]) for one in (woe, xyz)] == [
        (403, "no-woe"),
        (403, "no-xyz"),
    ]
    assert fine.json()["status"] == "succeeded"


async def test_a_subject_that_keeps_a_slow_tool_busy_leaves_room_for_the_others(stack: Stack) -> None:
    document, keys = stack.documents / "gateway.yaml", stack.folder / "auth" / "api-keys.json"
    before, known = document.read_text(), keys.read_text()
    other = {"name": "other", "sha256": hashlib.sha256(b"another-key").hexdigest(), "scopes": ["tools"]}
    try:
        keys.write_text(json.dumps([*json.loads(known), other]))
        document.write_text(before.replace("concurrency: 256", "concurrency: 4"))
        await asyncio.sleep(3)
        async with Load.on(stack) as load:
            slow = [
                asyncio.create_task(load.call(ask=Ask.tool("example__slow", seconds=3))) for _ in range(8)
            ]
            await asyncio.sleep(1)
            async with httpx2.AsyncClient(
                headers={**CALL.headers, **HEADERS, "X-API-Key": "another-key"}
            ) as http:
                answer = await http.post(load.url, content=CALL.body)
            statuses = Counter([(await one).status for one in slow])
    finally:
        document.write_text(before)
        keys.write_text(known)
        await asyncio.sleep(3)
    assert answer.status_code == 200
    assert statuses == {200: 2, 503: 6}
