"""Loads the chain from this process, and reads what each role took for it from the role's own metrics."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
import orjson
from mcp_services.dev import Stack
from mcp_services.roles import MODULES
from prometheus_client.parser import text_string_to_metric_families

VERSION, VERSION_BEFORE = "2026-07-28", "2025-11-25"
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
}
NO_ANSWER = 0
MIB = 2**20


@dataclass(frozen=True)
class Ask:
    """A request: its body, and the headers that go with it."""

    body: bytes
    headers: Mapping[str, str]

    @classmethod
    def tool(cls, name: str, **arguments: object) -> "Ask":
        """A call of a tool."""
        params = {"name": name, "arguments": arguments, "_meta": META}
        return cls._of("tools/call", params, {"Mcp-Name": name})

    @classmethod
    def listing(cls) -> "Ask":
        """A look at the tools."""
        return cls._of("tools/list", {"_meta": META}, {})

    @classmethod
    def before(cls, name: str, **arguments: object) -> "Ask":
        """A call of a tool by the version before."""
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        params = {"name": name, "arguments": arguments}
        return cls(orjson.dumps(body | {"params": params}), {"MCP-Protocol-Version": VERSION_BEFORE})

    @classmethod
    def _of(cls, method: str, params: Mapping[str, object], headers: Mapping[str, str]) -> "Ask":
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return cls(orjson.dumps(body), {"MCP-Protocol-Version": VERSION, "Mcp-Method": method, **headers})


CALL = Ask.tool("example__echo", text="hello")


@dataclass(frozen=True, slots=True)
class Taken:
    """One call.

    Attributes:
        status: HTTP status; `NO_ANSWER` where the connection broke.
        seconds: From the moment at which it was due, so that a queue before it counts.
        due: That moment, by `time.perf_counter`.
        ok: Whether the tool did what it was asked for.
        said: The beginning of the answer, where it did not.
    """

    status: int
    seconds: float
    due: float
    ok: bool
    said: bytes = b""

    @property
    def done(self) -> float:
        """The moment of its answer."""
        return self.due + self.seconds


@dataclass(frozen=True)
class Outcome:
    """What came of a load."""

    taken: Sequence[Taken]
    seconds: float

    @property
    def statuses(self) -> Counter[int]:
        """How many calls got which status."""
        return Counter(one.status for one in self.taken)

    def percentile(self, share: float) -> float:
        """The time in seconds within which this share of the calls was answered."""
        times = sorted(one.seconds for one in self.taken)
        return times[min(int(len(times) * share), len(times) - 1)]

    def told(self) -> str:
        """Return rate, percentiles and other answers, for people."""
        p50, p95, p99 = (self.percentile(share) * 1000 for share in (0.5, 0.95, 0.99))
        others = {status: count for status, count in self.statuses.items() if status != 200}
        return (
            f"{len(self.taken) / self.seconds:.0f} req/s, P50/95/99 {p50:.0f}/{p95:.0f}/{p99:.0f} ms, "
            f"other answers {others or 'none'}"
        )


def is_right(status: int, content: bytes) -> bool:
    """Tell whether the tool did what it was asked for."""
    return status == HTTPStatus.OK and b'"result":' in content and b'"isError":true' not in content


class Load:
    """Calls through the gateway of a stack."""

    def __init__(self, stack: Stack, http: aiohttp.ClientSession) -> None:
        """Call by `http`."""
        self.url = f"{stack.url('mcp-gateway')}/mcp"
        self._http = http

    @classmethod
    @asynccontextmanager
    async def on(cls, stack: Stack, seconds: float = 30.0) -> "AsyncIterator[Load]":
        """Have a client of the gateway, whose calls take so long at most."""
        async with aiohttp.ClientSession(
            headers=HEADERS | {"X-API-Key": stack.api_key},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=seconds),
        ) as http:
            yield cls(stack, http)

    async def call(self, due: float | None = None, ask: Ask = CALL) -> Taken:
        """Make one call."""
        due = time.perf_counter() if due is None else due
        status, content = NO_ANSWER, b""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._http.post(self.url, data=ask.body, headers=ask.headers) as answer:
                status, content = answer.status, await answer.read()
        ok = is_right(status, content)
        return Taken(status, time.perf_counter() - due, due, ok, b"" if ok else content[:300])

    async def constant(self, rate: float, seconds: float, ask: Ask = CALL) -> Outcome:
        """Call so often a second, whether or not the calls before are answered."""
        begun, tasks = time.perf_counter(), []
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(self.call(due, ask)))
        return Outcome(await asyncio.gather(*tasks), seconds)

    async def saturated(self, connections: int, seconds: float, ask: Ask = CALL) -> Outcome:
        """Call again on each connection as soon as the answer is there."""
        taken: list[Taken] = []
        until = time.perf_counter() + seconds

        async def worker() -> None:
            while time.perf_counter() < until:
                taken.append(await self.call(ask=ask))

        await asyncio.gather(*(worker() for _ in range(connections)))
        return Outcome(taken, seconds)


@dataclass(frozen=True)
class Usage:
    """What a role has taken and holds.

    Attributes:
        cpu_seconds: Since its start.
        mib: Resident memory.
        files: Open file descriptors.
        tasks: Tasks of its event loop.
    """

    cpu_seconds: float
    mib: float
    files: int
    tasks: int


async def samples(stack: Stack, role: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of a role's metrics by name and labels."""
    async with aiohttp.ClientSession() as http, http.get(f"{stack.operations_url(role)}/metrics") as answer:
        text = await answer.text()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def usage(stack: Stack) -> dict[str, Usage]:
    """What each role has taken so far and holds now."""
    found = {}
    for role in MODULES:
        seen = {name: value for (name, labels), value in (await samples(stack, role)).items() if not labels}
        found[role] = Usage(
            seen["process_cpu_seconds_total"],
            seen["process_resident_memory_bytes"] / MIB,
            int(seen["process_open_fds"]),
            int(seen["mcp_event_loop_tasks"]),
        )
    return found


async def histogram(stack: Stack, role: str, method: str) -> dict[float, float]:
    """The cumulative counts of a role's time to answer a method, by the bucket's upper end in seconds."""
    return {
        float(dict(labels)["le"]): value
        for (name, labels), value in (await samples(stack, role)).items()
        if name == "mcp_request_duration_seconds_bucket" and dict(labels)["method"] == method
    }


def percentile_between(before: dict[float, float], after: dict[float, float], share: float) -> float:
    """The upper end in seconds of the bucket in which this share of what came between is reached."""
    counts = {end: count - before.get(end, 0.0) for end, count in after.items()}
    most = max(counts.values())
    return min(end for end, count in counts.items() if count >= share * most)
