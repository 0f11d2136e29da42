"""A run that outlives the process of a whole stack's orchestrator."""

import asyncio
import signal
from pathlib import Path

import httpx2
from mcp_services.dev import Stack, free_base_port


async def test_a_run_survives_the_kill_of_the_orchestrator(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    stack = Stack(tmp_path, free_base_port(), extra={"mcp-orchestrator-api": {"RUNS_DIR": str(folder)}})
    try:
        await asyncio.to_thread(stack.start_all)
        gateway = f"{stack.url('mcp-gateway')}/api/v1"
        async with httpx2.AsyncClient(headers={"X-API-Key": stack.api_key}, timeout=10) as http:
            start = f"{gateway}/workflows/patient-echo/runs?async=true"
            await connected(http, start.partition("?")[0])
            later = await http.post(start, json={"text": "late", "seconds": 0})
            cut = await http.post(start, json={"text": "cut", "seconds": 9})
            assert (later.status_code, cut.status_code) == (202, 202)
            places = [stack.url("mcp-gateway") + one.headers["Location"] for one in (later, cut)]
            assert await ended(http, places[0]) == "succeeded"
            await asyncio.to_thread(stack.stop, "mcp-orchestrator-api", signal.SIGKILL)
            stack.start("mcp-orchestrator-api")
            await asyncio.to_thread(stack.await_ready, "mcp-orchestrator-api")
            # Its step was under way, and may be tried once only.
            assert await ended(http, places[1]) == "failed"
            assert await ended(http, places[0]) == "succeeded"
            cancelled = await http.delete(places[0])
            assert (cancelled.status_code, cancelled.json()["status"]) == (200, "succeeded")
    finally:
        await asyncio.to_thread(stack.stop_all)


async def connected(http: httpx2.AsyncClient, start: str) -> None:
    """Return once the orchestrator has found the example's tools."""
    for _ in range(100):
        if (await http.post(start, json={"text": "", "seconds": 0})).json()["status"] == "succeeded":
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the example is not reached")


async def ended(http: httpx2.AsyncClient, place: str) -> str:
    """The status of a run once it is over."""
    for _ in range(150):
        answer = await http.get(place)
        if answer.status_code == 200 and answer.json()["status"] != "running":
            return str(answer.json()["status"])
        await asyncio.sleep(0.1)
    raise AssertionError(answer.text)
