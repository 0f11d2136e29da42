"""Figures of one run, printed as a table at its end."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import kr8s
import pytest

from sandbox import chosen
from sandbox.cache import Cache, state_folder
from sandbox.engine import find_engine
from sandbox.node import nodes
from sandbox.progress import to_terminal
from sandbox.pulumi import Stack
from sandbox.stack_outputs import kubeconfig_file
from sandbox.toolchain import ensure
from sandbox.up import down, up
from tests.bench.connections import connections
from tests.bench.memory import PeakMemory
from tests.bench.timeline import Timeline, timeline
from tests.sandbox.conftest import (
    cache,
    engine,
    group,
    pytest_runtest_call,
    pytest_runtest_setup,
    start_node,
)

__all__ = ["cache", "engine", "group", "pytest_runtest_call", "pytest_runtest_setup", "start_node"]


@dataclass(frozen=True)
class Run:
    """A `make up` from no node, with everything cached.

    Attributes:
        seconds: How long it took.
        began: When it began.
        timeline: What came when.
        alone: How long the same takes with one part only, by part: from no node too, so with K3s in it.
        connections: SSH connections to the node, those included by which its start is awaited.
        mib: Peak memory of all programs that it began, the container engine included.
    """

    seconds: float
    began: datetime
    timeline: Timeline
    alone: Mapping[str, float]
    connections: int
    mib: float


@dataclass(frozen=True)
class Platform:
    """What `make up` has deployed on the sandbox.

    Attributes:
        stack: Its stack.
        run: The run that has deployed it; None where it was there before.
    """

    stack: Stack
    run: Run | None = None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure bare nodes first: once the platform is there, it takes its share of the machine to the end."""
    items.sort(key=lambda item: item.path.parent == _HERE and "platform" in getattr(item, "fixturenames", ()))


def seconds(run: Callable[[], object]) -> float:
    """Run something and return how long it took."""
    start = time.monotonic()
    run()
    return time.monotonic() - start


def compared(run: Callable[[], object], other: Callable[[], object], times: int = 4) -> tuple[float, float]:
    """Run two things by turns, so that both see the same machine, and return the shortest time of each."""
    taken = [(seconds(run), seconds(other)) for _ in range(times)]
    return min(one for one, _ in taken), min(one for _, one in taken)


@pytest.fixture(scope="session")
def platform(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform on the sandbox: what is there, or all of it with everything cached, gone at the end."""
    with pytest.MonkeyPatch.context() as changed:
        # Also where machines are configured: nobody has asked for load on those.
        changed.setenv("A1_SANDBOX", "1")
        deployed = sandbox_stack(cache)
        if deployed.exists():
            yield Platform(deployed)
            return
        changed.setenv("A1_STATE", str(tmp_path_factory.mktemp("state")))
        try:
            alone: dict[str, float] = {}
            for part in _SLOWEST:
                alone[part] = seconds(partial(up, cache, to_terminal, [part]))
                down(cache, to_terminal)
            run = _measured(cache, alone)
            yield Platform(sandbox_stack(cache), run)
        finally:
            down(cache, to_terminal)


def _measured(cache: Cache, alone: Mapping[str, float]) -> Run:
    began = datetime.now(UTC)
    with PeakMemory(os.getpid(), _LOOK_SECONDS) as memory:
        taken = seconds(partial(up, cache, to_terminal))
    engine = find_engine(cache)
    assert engine
    node = next(one for one in nodes(engine) if one.name == chosen.NODE)
    return Run(taken, began, timeline(sandbox_api()), alone, connections(node), memory.mib)


def empty_program(beside: Stack, folder: Path) -> Stack:
    """Return the stack of a program that declares nothing, run once, with the toolchain of another stack."""
    (folder / "Pulumi.yaml").write_text("name: empty\nruntime: python\n")
    (folder / "__main__.py").write_text("import pulumi\n")
    empty = Stack("empty", beside.environment, folder)
    empty.create()
    empty.read("up", "--yes", "--skip-preview")
    return empty


def sandbox_api() -> kr8s.Api:
    """Return a client of the sandbox's cluster, as the last `make up` has left it."""
    client: kr8s.Api = kr8s.api(kubeconfig=str(kubeconfig_file(chosen.SANDBOX)))
    return client


def sandbox_stack(cache: Cache) -> Stack:
    """Return the sandbox's stack, whether it is there or not."""
    return chosen.sandbox(ensure(cache, to_terminal).environment(state_folder()))


_HERE = Path(__file__).parent
_SLOWEST = ("argo-cd", "monitoring")
"""The parts that take longest from a Ready cluster to healthy."""
_LOOK_SECONDS = 1.0
"""Between two looks at the memory of a run whose time is taken too."""


class Figures:
    """What was measured, in the order of measuring."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.lines: list[str] = []

    def ratio(
        self, what: str, seconds: float, against: str, other: float, limit: float | None = None
    ) -> bool:
        """Add a ratio of two times of this run, and tell whether it is within its limit."""
        found = seconds / other
        self.lines.append(
            f"{what} {seconds:.1f} s, {against} {other:.1f} s: ratio {found:.2f}"
            + (f", at most {limit:g}" if limit is not None else "")
        )
        return limit is None or found <= limit

    def amount(self, what: str, amount: float, unit: str, limit: float | None = None) -> bool:
        """Add an amount, and tell whether it is within its limit."""
        self.lines.append(
            f"{what}: {amount:g} {unit}" + (f", at most {limit:g}" if limit is not None else "")
        )
        return limit is None or amount <= limit


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """The run's figures; printed when it ends."""
    measured = Figures()
    yield measured
    plugins = request.config.pluginmanager
    reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    if reporter and measured.lines:
        # What is written while a fixture ends is else shown with a failure only.
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            reporter.ensure_newline()
            reporter.section("figures")
            for line in measured.lines:
                reporter.write_line(line)
