"""What a process about to end tells its callers, and that none of their requests is lost by its end."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

import aiohttp
import httpx2
import pytest
from mcp_services.core.edge import Edge
from mcp_services.dev import Stack
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

_CALLERS = 16
_ROLE = "example-tools"


@pytest.mark.parametrize("draining", [True, False])
async def test_only_a_draining_process_asks_its_callers_to_connect_elsewhere(draining: bool) -> None:  # noqa: FBT001
    edge = Edge(PlainTextResponse("ok"), "mcp-gateway")
    edge.draining = draining
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=edge), base_url="http://mcp-gateway"
    ) as http:
        answer = await http.get("/")
    assert answer.text == "ok"
    assert (answer.headers.get("Connection") == "close") is draining
    assert ("X-Draining" in answer.headers) is draining


async def test_a_fault_is_told_to_the_client_under_its_correlation_id_and_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(_: Scope, __: Receive, ___: Send) -> None:
        raise RuntimeError("a secret")

    transport = httpx2.ASGITransport(app=Edge(app, "mcp-gateway"))
    async with httpx2.AsyncClient(transport=transport, base_url="http://mcp-gateway") as http:
        answer = await http.post("/", headers={"X-Correlation-ID": "mine"})
    assert (answer.status_code, answer.headers["X-Correlation-ID"]) == (500, "mine")
    assert answer.json()["error"] == {"code": -32603, "message": "internal error"}
    assert "RuntimeError: a secret" in caplog.text


async def test_a_process_that_ends_breaks_no_connection_that_carries_a_request(tmp_path: Path) -> None:
    stack = Stack(tmp_path, base_port=21980, extra={_ROLE: {"DRAIN_SECONDS": "1", "TRACES_URL": ""}})
    stack.prepare()
    stack.start(_ROLE)
    try:
        stack.await_ready(_ROLE)
        seen: Counter[str] = Counter()

        async def caller() -> None:
            async with aiohttp.ClientSession() as http:
                while True:
                    try:
                        async with http.post(f"{stack.url(_ROLE)}/mcp", json={}) as answer:
                            await answer.read()
                    except aiohttp.ClientError as error:
                        seen[type(error).__name__] += 1
                        return
                    seen["answered"] += 1
                    # In a cluster the next connection goes to another pod: this one is no endpoint any more.
                    if answer.headers.get("Connection") == "close":
                        return

        callers = [asyncio.create_task(caller()) for _ in range(_CALLERS)]
        await asyncio.sleep(1)
        before = seen["answered"]
        stack.processes[_ROLE].send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*callers), 60)
        assert stack.processes[_ROLE].wait(30) == 0
        assert seen["answered"] > before > 0
        assert seen == {"answered": seen["answered"]}
    finally:
        stack.stop_all()
