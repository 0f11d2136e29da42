"""Figures of one run, printed as a table at its end."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from sandbox import chosen
from sandbox.cache import Cache, state_folder
from sandbox.progress import to_terminal
from sandbox.pulumi import Stack
from sandbox.toolchain import ensure
from sandbox.up import down, up
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
class Platform:
    """What `make up` has deployed.

    Attributes:
        stack: Its stack.
        seconds: How long it took from no node; None where it was there before.
        began: When that began.
        alone: The same for each of the slowest parts by itself.
    """

    stack: Stack
    seconds: float | None = None
    began: datetime = field(default_factory=partial(datetime.now, UTC))
    alone: Mapping[str, float] = field(default_factory=dict)


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
    """The platform: the deployed one, or the sandbox's with everything cached, gone when the run ends."""
    deployed = _stack(cache)
    if deployed.exists():
        yield Platform(deployed)
        return
    before = os.environ.get("A1_STATE")
    os.environ["A1_STATE"] = str(tmp_path_factory.mktemp("state"))
    alone: dict[str, float] = {}
    try:
        for part in _SLOWEST:
            alone[part] = seconds(partial(up, cache, to_terminal, [part]))
            down(cache, to_terminal)
        began = datetime.now(UTC)
        taken = seconds(lambda: up(cache, to_terminal))
        yield Platform(_stack(cache), taken, began, alone)
    finally:
        down(cache, to_terminal)
        if before is None:
            del os.environ["A1_STATE"]
        else:
            os.environ["A1_STATE"] = before


def empty_program(beside: Stack, folder: Path) -> Stack:
    """Return the stack of a program that declares nothing, run once, with the toolchain of another stack."""
    (folder / "Pulumi.yaml").write_text("name: empty\nruntime: python\n")
    (folder / "__main__.py").write_text("import pulumi\n")
    empty = Stack("empty", beside.environment, folder)
    empty.create()
    empty.read("up", "--yes", "--skip-preview")
    return empty


def _stack(cache: Cache) -> Stack:
    environment = ensure(cache, to_terminal).environment(state_folder())
    return chosen.production(environment) if chosen.is_configured() else chosen.sandbox(environment)


_SLOWEST = ("argo-cd", "monitoring")
"""The parts that take longest from a Ready cluster to healthy."""


class Figures:
    """What was measured, in the order of measuring."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.lines: list[str] = []

    def ratio(self, what: str, seconds: float, against: str, other: float, limit: float) -> bool:
        """Add a ratio of two times of this run, and tell whether it is within its limit."""
        found = seconds / other
        self.lines.append(
            f"{what} {seconds:.1f} s, {against} {other:.1f} s: ratio {found:.2f}, at most {limit:g}"
        )
        return found <= limit

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
