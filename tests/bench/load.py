"""Loads the gateway from inside the cluster and prints what it saw; runs in a pod of the services' image.

`API_KEY` and `URL` come by the environment. Standard library and aiohttp only: it is no part of the image.
"""

import asyncio
import json
import os
import time
from collections import Counter

import aiohttp

VERSION = "2026-07-28"
RATE, RATE_SECONDS = 50, 20.0
CONNECTIONS, CLOSED_SECONDS = 32, 10.0
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
    "MCP-Protocol-Version": VERSION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": "example__echo",
}
BODY = {
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

Taken = list[tuple[int, float]]


async def call(http: aiohttp.ClientSession, due: float | None = None) -> tuple[int, float]:
    """Status of one call, and its seconds from when it was due; status 0 where there was no answer."""
    due = time.perf_counter() if due is None else due
    try:
        async with http.post(os.environ["URL"], json=BODY) as answer:
            await answer.read()
            return answer.status, time.perf_counter() - due
    except aiohttp.ClientError:
        return 0, time.perf_counter() - due


async def constant(http: aiohttp.ClientSession) -> Taken:
    """Call at a constant rate, whether or not the calls before are answered."""
    begun, tasks = time.perf_counter(), []
    for number in range(int(RATE * RATE_SECONDS)):
        due = begun + number / RATE
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        # A task that runs late has waited already, and that counts.
        tasks.append(asyncio.create_task(call(http, due)))
    return await asyncio.gather(*tasks)


async def saturated(http: aiohttp.ClientSession) -> Taken:
    """Call again as soon as an answer is there."""
    taken: Taken = []
    until = time.perf_counter() + CLOSED_SECONDS

    async def worker() -> None:
        while time.perf_counter() < until:
            taken.append(await call(http))

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return taken


def told(taken: Taken, seconds: float) -> dict[str, object]:
    """Return the figures of a load."""
    times = sorted(one for _, one in taken)
    shares = {f"p{share}": times[len(times) * share // 100] * 1000 for share in (50, 95, 99)}
    other = Counter(str(status) for status, _ in taken if status != 200)
    served = 1 - other.total() / len(taken)
    return {"rate": len(taken) / seconds, "served": served, "other": dict(other), **shares}


async def main() -> None:
    """Load at the rate, then at the limit."""
    headers = {**HEADERS, "Authorization": f"Bearer {os.environ['API_KEY']}"}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as http:
        await asyncio.gather(*(call(http) for _ in range(CONNECTIONS)))
        steady, limit = await constant(http), await saturated(http)
    said = {"steady": told(steady, RATE_SECONDS), "limit": told(limit, CLOSED_SECONDS)}
    calls = CONNECTIONS + len(steady) + len(limit)
    print(json.dumps({**said, "calls": calls}), flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    asyncio.run(main())
