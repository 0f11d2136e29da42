"""What a person sees while long work runs: one line when it starts, one now and then, one when it ends."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_REPORT_EVERY_SECONDS = 15

Progress = Callable[[str], None]
"""Takes one line of progress without its line break."""


def to_terminal(line: str) -> None:
    """Write a line to standard error at once, so that standard output stays for results."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the one place that prints progress


def elapsed(seconds: float) -> str:
    """Return a duration as a person reads it, such as `4m05s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


@contextmanager
def step(progress: Progress, title: str) -> Iterator[None]:
    """Report the start and the end of one step, with the time that it took."""
    start = time.monotonic()
    progress(f"{title} ...")
    yield
    progress(f"{title}: done in {elapsed(time.monotonic() - start)}")


def now_and_then(report: Callable[[str], None]) -> Callable[[], None]:
    """Return what to call again and again, for a report every 15 s.

    Args:
        report: Takes the time that has passed since now, as a person reads it.
    """
    start = reported = time.monotonic()

    def tick() -> None:
        nonlocal reported
        if time.monotonic() - reported >= _REPORT_EVERY_SECONDS:
            reported = time.monotonic()
            report(elapsed(reported - start))

    return tick
