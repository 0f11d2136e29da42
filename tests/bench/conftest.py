"""Figures of one run, printed as a table at its end."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.sandbox.conftest import cache, engine, group, start_node

__all__ = ["cache", "engine", "group", "start_node"]


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
