"""Each service killed, slowed and cut off while calls come at a constant rate.

`A1_FAULT_SECONDS` is how long each fault lasts; `make test-services` makes it long.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median

import pytest
import pytest_asyncio
from mcp_services.dev import free_base_port
from mcp_testing.driving import NO_ANSWER, Load, Taken, samples
from mcp_testing.wire import Wire, WiredStack

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAULT_SECONDS = float(os.environ.get("A1_FAULT_SECONDS", "1"))
RATE = 10
ON_THE_WAY = ("mcp-gateway", "mcp-policy-proxy", "mcp-orchestrator-api", "example-tools")
BESIDE = ("mcp-config", "mcp-tracehub")
_AFTER_SECONDS = 0.5
_LEAST_BEFORE = 8
_BUSY_SECONDS = 0.5
_DELAY_SECONDS = {True: 0.15, False: 3.0}
"""What each piece takes on a slow way: bearable on the way of a call, unbearable where no call may wait."""
_RECOVERED_SECONDS = 20.0


@dataclass
class Chain:
    """All roles behind wires, and a client."""

    stack: WiredStack
    wires: dict[str, Wire]
    load: Load

    async def recovered(self) -> None:
        """Wait until calls succeed again, five in a row."""
        deadline, row = time.monotonic() + _RECOVERED_SECONDS, 0
        while row < 5:
            assert time.monotonic() < deadline, "calls do not succeed again"
            row = row + 1 if (await self.load.call()).ok else 0
            await asyncio.sleep(0.1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chain]:
    """All roles, ready."""
    stack = WiredStack(tmp_path_factory.mktemp("wired"), base_port=free_base_port())
    async with stack.wires() as wires, Load.on(stack, seconds=FAULT_SECONDS + 20) as load:
        try:
            await asyncio.to_thread(stack.start_all)
            made = Chain(stack, wires, load)
            await made.recovered()
            yield made
        finally:
            await asyncio.to_thread(stack.stop_all)


@asynccontextmanager
async def killed(chain: Chain, role: str) -> AsyncIterator[None]:
    """Its process is gone."""
    await asyncio.to_thread(chain.stack.stop, role, signal.SIGKILL)
    yield
    chain.stack.start(role)


@asynccontextmanager
async def slowed(chain: Chain, role: str) -> AsyncIterator[None]:
    """Everything to and from it takes longer."""
    chain.wires[role].delay = _DELAY_SECONDS[role in ON_THE_WAY]
    yield
    chain.wires[role].delay = 0.0


@asynccontextmanager
async def cut_off(chain: Chain, role: str) -> AsyncIterator[None]:
    """Nothing gets to it or from it, and nobody is told."""
    chain.wires[role].whole.clear()
    yield
    chain.wires[role].whole.set()


@dataclass
class Observed:
    """The calls round a fault that was made at `begun` and was there from `came` to `ended`."""

    begun: float = 0.0
    came: float = 0.0
    ended: float = 0.0
    taken: list[Taken] = field(default_factory=list)

    @property
    def before(self) -> list[Taken]:
        """The calls answered before it."""
        return [one for one in self.taken if one.done < self.begun]

    @property
    def during(self) -> list[Taken]:
        """The calls that were due while it lasted."""
        return [one for one in self.taken if self.came <= one.due < self.ended]

    @property
    def let_through(self) -> list[Taken]:
        """The calls that were made and succeeded while it lasted."""
        return [one for one in self.during if one.ok and one.done < self.ended]


def nine_in_ten(taken: Sequence[Taken]) -> float:
    """The seconds within which all but a tenth of the calls were answered: one may meet a busy machine."""
    return sorted(one.seconds for one in taken)[-1 - len(taken) // 10]


Fault = Callable[[Chain, str], AbstractAsyncContextManager[None]]


async def under_load(chain: Chain, fault: Fault, role: str) -> Observed:
    """Call at a constant rate before, during and after a fault."""
    seen = Observed()
    tasks: list[asyncio.Task[Taken]] = []

    async def calls() -> None:
        begun = time.perf_counter()
        while not seen.ended or time.perf_counter() < seen.ended + _AFTER_SECONDS:
            due = begun + len(tasks) / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(chain.load.call(due)))

    caller = asyncio.create_task(calls())
    while sum(task.done() for task in tasks) < _LEAST_BEFORE:
        await asyncio.sleep(0.05)
    seen.begun = time.perf_counter()
    async with fault(chain, role):
        seen.came = time.perf_counter()
        await asyncio.sleep(FAULT_SECONDS)
        seen.ended = time.perf_counter()
    await caller
    seen.taken = await asyncio.gather(*tasks)
    await asyncio.to_thread(chain.stack.await_ready, role)
    await chain.recovered()
    if median(one.seconds for one in seen.before) > _BUSY_SECONDS:
        pytest.skip(f"this machine is too busy for {RATE} calls a second even before the fault")
    assert all(one.ok for one in seen.before), [one for one in seen.before if not one.ok]
    return seen


@pytest.mark.parametrize("role", ON_THE_WAY)
async def test_while_one_on_the_way_is_gone_calls_fail_at_once_and_then_succeed_again(
    chain: Chain, role: str
) -> None:
    seen = await under_load(chain, killed, role)
    right = {"mcp-gateway": {NO_ANSWER}, "example-tools": {200, 400, 404, 503}}.get(role, {503})
    assert seen.let_through == []
    assert {one.status for one in seen.during} <= right
    assert max(one.seconds for one in seen.during) < 3


@pytest.mark.parametrize("role", ON_THE_WAY)
async def test_while_one_on_the_way_is_slow_calls_are_slow_and_none_is_lost(chain: Chain, role: str) -> None:
    seen = await under_load(chain, slowed, role)
    assert all(one.ok for one in seen.taken)
    assert median(one.seconds for one in seen.during) >= 2 * _DELAY_SECONDS[True]


@pytest.mark.parametrize("role", ON_THE_WAY)
async def test_while_one_on_the_way_is_cut_off_no_call_gets_through(chain: Chain, role: str) -> None:
    seen = await under_load(chain, cut_off, role)
    assert seen.let_through == []


@pytest.mark.parametrize("fault", [killed, slowed, cut_off])
@pytest.mark.parametrize("role", BESIDE)
async def test_without_configuration_or_traces_every_call_succeeds_as_fast(
    chain: Chain, fault: Fault, role: str
) -> None:
    seen = await under_load(chain, fault, role)
    assert all(one.ok for one in seen.taken)
    # Calls that waited would take as long as the way is slow, or until it is whole again, which is half of
    # the fault's length on average and nearly all of it for the earliest.
    waited = min(FAULT_SECONDS, _DELAY_SECONDS[False]) / 2
    assert nine_in_ten(seen.during) < median(one.seconds for one in seen.before) + waited


async def test_spans_that_nobody_takes_are_counted(chain: Chain) -> None:
    label = ("mcp_spans_dropped_total", (("role", "mcp-gateway"),))
    before = (await samples(chain.stack, "mcp-gateway"))[label]
    async with killed(chain, "mcp-tracehub"):
        await asyncio.gather(*(chain.load.call() for _ in range(20)))
        await asyncio.sleep(2.0)
        assert (await samples(chain.stack, "mcp-gateway"))[label] > before
