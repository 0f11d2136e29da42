"""Each role taken away in turn, and requests that nobody should send."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

import httpx2
import pytest
from mcp.shared.exceptions import MCPError
from mcp_services.dev import Stack

if TYPE_CHECKING:
    from mcp_services.testing import Connect

pytest_plugins = ["mcp_services.testing"]


async def add(connect: Connect) -> object:
    """One call through the chain: its result, or the error that was answered."""
    async with connect("2026-07-28") as client:
        try:
            return (await client.call_tool("example__add", {"a": 1, "b": 2})).structured_content
        except MCPError as error:
            return error


async def again(connect: Connect, seconds: float = 8.0) -> object:
    """The first result that is no error, or the last error."""
    deadline = time.monotonic() + seconds
    while True:
        got = await add(connect)
        if not isinstance(got, MCPError) or time.monotonic() > deadline:
            return got
        await asyncio.sleep(0.2)


async def test_without_the_policy_proxy_nothing_gets_through_and_it_recovers(
    stack: Stack, connect: Connect
) -> None:
    stack.stop("mcp-policy-proxy", signal.SIGKILL)
    async with httpx2.AsyncClient(headers={"X-API-Key": stack.api_key}) as http:
        answer = await http.post(f"{stack.url('mcp-gateway')}/mcp", json={})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
    stack.start("mcp-policy-proxy")
    stack.await_ready("mcp-policy-proxy")
    assert await again(connect) == {"result": 3}


async def test_a_workflow_step_is_refused_while_nobody_can_decide(stack: Stack) -> None:
    url = f"{stack.url('mcp-gateway')}/api/v1/workflows/patient-echo/runs"
    async with httpx2.AsyncClient(headers={"X-API-Key": stack.api_key}, timeout=20) as http:
        running = asyncio.create_task(http.post(url, json={"text": "x", "seconds": 2}))
        await asyncio.sleep(1)
        state = httpx2.Response(404)
        policy = stack.processes["mcp-policy-proxy"]
        # Stopped, not ended: the run's own answer still has to pass through it afterwards.
        policy.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(4)
        finally:
            policy.send_signal(signal.SIGCONT)
        state = await running
    assert state.json()["status"] == "refused"
    assert "no decision, so refused" in state.json()["error"]


async def test_without_mcp_config_the_last_good_documents_serve_even_after_a_restart(
    stack: Stack, connect: Connect
) -> None:
    stack.stop("mcp-config", signal.SIGKILL)
    try:
        stack.stop("mcp-policy-proxy")
        stack.start("mcp-policy-proxy")
        stack.await_ready("mcp-policy-proxy")
        assert await again(connect) == {"result": 3}
        async with httpx2.AsyncClient() as http:
            shown = (await http.get(f"{stack.operations_url('mcp-policy-proxy')}/metrics")).text
        assert 'mcp_config_stale{role="mcp-policy-proxy"} 1.0' in shown
    finally:
        stack.start("mcp-config")
        stack.await_ready("mcp-config")


async def test_without_tracehub_calls_are_as_fast_and_lost_spans_are_counted(
    stack: Stack, connect: Connect
) -> None:
    stack.stop("mcp-tracehub", signal.SIGKILL)
    try:
        begun = time.perf_counter()
        await add(connect)
        assert time.perf_counter() - begun < 1
        await asyncio.sleep(2.5)
        async with httpx2.AsyncClient() as http:
            shown = (await http.get(f"{stack.operations_url('mcp-gateway')}/metrics")).text
        dropped = next(line for line in shown.splitlines() if line.startswith("mcp_spans_dropped_total"))
        assert float(dropped.split()[1]) > 0
    finally:
        stack.start("mcp-tracehub")
        stack.await_ready("mcp-tracehub")


async def test_an_mcp_server_that_ends_is_an_error_and_is_found_again(stack: Stack, connect: Connect) -> None:
    stack.stop("example-tools", signal.SIGKILL)
    assert isinstance(await add(connect), MCPError)
    stack.start("example-tools")
    stack.await_ready("example-tools")
    assert await again(connect) == {"result": 3}


async def test_a_client_that_hangs_up_cancels_its_workflow_and_the_tool_at_its_end(stack: Stack) -> None:
    url = f"{stack.url('mcp-gateway')}/api/v1/workflows/patient-echo/runs"
    async with httpx2.AsyncClient(headers={"X-API-Key": stack.api_key}, timeout=1) as http:
        with pytest.raises(httpx2.ReadTimeout):
            await http.post(url, json={"text": "x", "seconds": 8})
    await asyncio.sleep(1)
    async with httpx2.AsyncClient() as http:
        orchestrator = (await http.get(f"{stack.operations_url('mcp-orchestrator-api')}/metrics")).text
        tools = (await http.get(f"{stack.operations_url('example-tools')}/metrics")).text
    assert 'mcp_workflow_runs_total{status="cancelled",workflow="patient-echo"} 1.0' in orchestrator
    assert "mcp_workflow_active 0.0" in orchestrator
    assert 'mcp_inflight_requests{role="example-tools"} 0.0' in tools


async def test_a_role_that_is_told_to_end_finishes_what_it_serves(stack: Stack, connect: Connect) -> None:
    async with connect("2026-07-28") as client:
        # The client checks a result against the listed schema, and would list now if it had not before.
        await client.list_tools()
        running = asyncio.create_task(client.call_tool("example__slow", {"seconds": 1.5}))
        await asyncio.sleep(0.5)
        code = await asyncio.to_thread(stack.stop, "mcp-gateway")
        assert (await running).structured_content == {"result": "waited 1.5 s"}
    stack.start("mcp-gateway")
    stack.await_ready("mcp-gateway")
    assert code == 0


async def test_a_body_that_comes_too_slowly_is_not_waited_for(stack: Stack) -> None:
    stack.stop("mcp-gateway")
    stack.extra = {"mcp-gateway": {"BODY_SECONDS": "0.5"}}
    stack.start("mcp-gateway")
    stack.await_ready("mcp-gateway")

    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port("mcp-gateway"))
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {stack.api_key}\r\nContent-Length: 9\r\n\r\n"
    writer.write(head.encode() + b"{")
    status = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert status.startswith(b"HTTP/1.1 408 ")


async def test_bad_requests_get_the_right_status_and_no_secret_reaches_a_log(stack: Stack) -> None:
    url, key = f"{stack.url('mcp-gateway')}/mcp", {"X-API-Key": stack.api_key}
    modern = key | {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "a"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {}}}
    async with httpx2.AsyncClient() as http:
        got = {
            "forged": (
                await http.post(url, headers={"Authorization": "Bearer e30.e30.e30"}, json=body)
            ).status_code,
            "internal": (await http.post(stack.url("mcp-orchestrator-api") + "/mcp", json=body)).status_code,
            "decide": (await http.post(stack.url("mcp-policy-proxy") + "/v1/decide", json=body)).status_code,
            "method": (await http.get(url, headers=key)).status_code,
            "host": (await http.post(url, headers=key | {"Host": "evil.example"}, json=body)).status_code,
            "origin": (
                await http.post(url, headers=key | {"Origin": "http://evil.example"}, json=body)
            ).status_code,
            "large": (await http.post(url, headers=key, content=b"x" * (4 * 2**20 + 1))).status_code,
            "values": (await http.post(url, headers=key, content=b"[" + b"[]," * 10**6 + b"[]]")).status_code,
            "no json": (await http.post(url, headers=key, content=b"{")).status_code,
            "batch": (await http.post(url, headers=key, json=[body])).status_code,
            "mismatch": (await http.post(url, headers=modern, json=body)).status_code,
            "not offered": (
                await http.post(url, headers=key, json=body | {"method": "logging/x"})
            ).status_code,
            "no path": (await http.get(stack.url("mcp-gateway") + "/metrics", headers=key)).status_code,
        }
    assert got == {
        "forged": 401,
        "internal": 401,
        "decide": 401,
        "method": 405,
        "host": 421,
        "origin": 403,
        "large": 413,
        "values": 413,
        "no json": 400,
        "batch": 400,
        "mismatch": 400,
        "not offered": 403,
        "no path": 404,
    }
    for log in stack.folder.glob("*.log"):
        text = log.read_text()
        assert stack.api_key not in text
        assert "e30.e30" not in text
        assert "Traceback" not in text, text[text.index("Traceback") - 500 :][:3000]
