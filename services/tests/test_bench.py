"""How much the chain carries on this machine, load generator included: figures, and what they are held to."""

import pytest
from mcp_services.dev import Stack
from mcp_testing.driving import Ask, Outcome, Usage, histogram, percentile_between, usage
from mcp_testing.vegeta import Vegeta

from sandbox.build.go import build
from sandbox.cache import Cache
from sandbox.progress import to_terminal
from sandbox.recipes.vegeta import PROGRAM

pytestmark = pytest.mark.bench
pytest_plugins = ["mcp_services.testing"]

_SECONDS = 8.0
_PLACES = 128
"""Requests at once of one caller, which is half of the gateway's 256."""

_LEAST_SERVED = 50.0
"""Calls a second that are answered while several times as many are turned away."""

_P95_SECONDS = 0.1


@pytest.fixture
async def load(stack: Stack) -> Vegeta:
    """A client of the gateway, which has been called already."""
    made = Vegeta(build(PROGRAM, Cache.default(), to_terminal) / "vegeta", stack)
    await made.saturated(8, 1.0)
    return made


def report(what: str, outcome: Outcome, before: dict[str, Usage], after: dict[str, Usage]) -> None:
    """Print what came of a load, and what each role took for it."""
    print(f"\n{what}: {outcome.told()}")  # noqa: T201 - the purpose of a benchmark
    total = 0.0
    for role, at in after.items():
        each = (at.cpu_seconds - before[role].cpu_seconds) / len(outcome.taken) * 1000
        total += each
        print(f"  {role:20} {each:5.2f} ms of CPU a call, {at.mib:4.0f} MiB, {at.files} files")  # noqa: T201
    print(f"  {'all':20} {total:5.2f} ms of CPU a call")  # noqa: T201


@pytest.mark.parametrize("connections", [1, 16, 64, 500])
async def test_saturated(stack: Stack, load: Vegeta, connections: int) -> None:
    before = await usage(stack)
    outcome = await load.saturated(connections, _SECONDS)
    report(f"{connections} connections, closed loop", outcome, before, await usage(stack))
    if connections <= _PLACES:
        assert outcome.statuses.keys() == {200}
    else:
        # What is over the cap is told to come again, and all else is served as before.
        assert outcome.statuses.keys() <= {200, 429, 503}
        assert outcome.statuses[200] / _SECONDS >= _LEAST_SERVED


@pytest.mark.parametrize("rate", [50, 200, 400])
async def test_constant_rate(stack: Stack, load: Vegeta, rate: int) -> None:
    before, buckets = await usage(stack), await histogram(stack, "mcp-gateway", "tools/call")
    outcome = await load.constant(rate, _SECONDS)
    report(f"{rate} req/s, open loop", outcome, before, await usage(stack))
    now = await histogram(stack, "mcp-gateway", "tools/call")
    ends = [percentile_between(buckets, now, share) * 1000 for share in (0.5, 0.95, 0.99)]
    print("  by the gateway's histogram P50/95/99 at most", "/".join(f"{end:g}" for end in ends), "ms")  # noqa: T201
    assert outcome.statuses.keys() == {200}
    assert outcome.percentile(0.95) < _P95_SECONDS


async def test_large_bodies(stack: Stack, load: Vegeta) -> None:
    before = await usage(stack)
    outcome = await load.saturated(8, _SECONDS, Ask.tool("example__echo", text="x" * 2**20))
    report("1 MiB there and back, 8 connections", outcome, before, await usage(stack))
    print(f"  {2 * len(outcome.taken) / _SECONDS:.0f} MiB/s through the gateway")  # noqa: T201
    assert outcome.statuses.keys() == {200}
