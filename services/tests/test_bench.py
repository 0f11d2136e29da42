"""How much the chain carries on this machine, load generator included; figures, no limits."""

import asyncio
import time
from pathlib import Path

import aiohttp
import orjson
import pytest
from mcp_services.dev import Stack

pytestmark = pytest.mark.bench
pytest_plugins = ["mcp_services.testing"]

VERSION = "2026-07-28"
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
    "MCP-Protocol-Version": VERSION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": "example__echo",
}
BODY = orjson.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "example__echo",
            "arguments": {"text": "hello"},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": VERSION,
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    }
)


async def call(http: aiohttp.ClientSession, url: str) -> tuple[int, float]:
    """Status and seconds of one call."""
    begun = time.perf_counter()
    async with http.post(url, data=BODY) as answer:
        await answer.read()
        return answer.status, time.perf_counter() - begun


def report(name: str, seconds: float, taken: list[tuple[int, float]]) -> None:
    """Print one line of figures."""
    times = sorted(one for _, one in taken)
    bad = sum(status != 200 for status, _ in taken)
    p50, p95, p99 = (times[int(len(times) * share)] * 1000 for share in (0.5, 0.95, 0.99))
    print(  # noqa: T201 - the purpose of a benchmark
        f"{name}: {len(taken) / seconds:.0f} req/s, P50/95/99 {p50:.0f}/{p95:.0f}/{p99:.0f} ms, {bad} bad"
    )


def resident(stack: Stack) -> dict[str, int]:
    """MiB of memory by role."""
    pages = {
        role: int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        for role, process in stack.processes.items()
    }
    return {role: count * 4096 // 2**20 for role, count in pages.items()}


@pytest.mark.parametrize("connections", [1, 16, 64])
async def test_saturated(stack: Stack, connections: int) -> None:
    url, seconds = f"{stack.url('mcp-gateway')}/mcp", 8.0
    taken: list[tuple[int, float]] = []
    async with aiohttp.ClientSession(headers=HEADERS | {"X-API-Key": stack.api_key}) as http:
        await call(http, url)
        until = time.perf_counter() + seconds

        async def worker() -> None:
            while time.perf_counter() < until:
                taken.append(await call(http, url))

        await asyncio.gather(*(worker() for _ in range(connections)))
    report(f"{connections} connections, closed loop", seconds, taken)
    print(resident(stack))  # noqa: T201
    assert all(status in {200, 429} for status, _ in taken)


@pytest.mark.parametrize("rate", [50, 200, 400])
async def test_constant_rate(stack: Stack, rate: int) -> None:
    url, seconds = f"{stack.url('mcp-gateway')}/mcp", 8.0
    async with aiohttp.ClientSession(
        headers=HEADERS | {"X-API-Key": stack.api_key}, connector=aiohttp.TCPConnector(limit=0)
    ) as http:
        begun, tasks = time.perf_counter(), []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            tasks.append(asyncio.create_task(call(http, url)))
        taken = await asyncio.gather(*tasks)
    report(f"{rate} req/s, open loop", seconds, taken)
    assert all(status == 200 for status, _ in taken)
