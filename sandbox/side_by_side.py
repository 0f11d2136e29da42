"""Long work beside other work: two builds at once, and an end for what nobody waits for any more."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, TypeVar

from sandbox.children import end_children
from sandbox.progress import Progress

_A = TypeVar("_A")
_B = TypeVar("_B")

_ROOM = 8 * 1024**3
"""Memory that two builds at once may take; the compiler takes up to 3 GiB for one package."""
_ENDS_WITHIN_SECONDS = 20
_LOOKS_EVERY_SECONDS = 0.2


class EndedError(RuntimeError):
    """The run that the work is done for is over."""


def until(over: threading.Event, progress: Progress) -> Progress:
    """Return progress that ends the work which tells it, once nobody waits for that.

    Args:
        over: Set when nobody waits any more.
        progress: Takes the lines until then.
    """

    def told(line: str) -> None:
        if over.is_set():
            raise EndedError(line)
        progress(line)

    return told


def end(is_over: Callable[[], bool]) -> None:
    """End what work runs; else its compilers would work on beside the next run, or after a `down`.

    Args:
        is_over: Whether the work has noticed.
    """
    deadline = time.monotonic() + _ENDS_WITHIN_SECONDS
    while not is_over() and time.monotonic() < deadline:
        end_children()
        time.sleep(_LOOKS_EVERY_SECONDS)


def both(
    progress: Progress, first: Callable[[Progress], _A], second: Callable[[Progress], _B]
) -> tuple[_A, _B]:
    """Do two pieces of work at once where there is memory for it, else one after the other.

    A build leaves processors idle while it links, and while one large package is compiled.

    Args:
        progress: Takes the lines of both.
        first: Takes progress.
        second: Takes progress.

    Returns:
        What the two return.

    Raises:
        Exception: That of the one that fails first; the other is ended, and goes on when it is run again.
    """
    if available_memory(_ROOM) < _ROOM:
        return first(progress), second(progress)
    over = threading.Event()
    told = until(over, progress)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.submit(first, told), pool.submit(second, told)
        try:
            # The one that fails first, not the first of the two.
            work: tuple[Future[Any], ...] = (one, other)
            for ended in wait(work, return_when=FIRST_EXCEPTION).done:
                ended.result()
            return one.result(), other.result()
        except BaseException:
            over.set()
            end(lambda: one.done() and other.done())
            raise


def available_memory(unknown: int) -> int:
    """Return how many bytes of memory a new program can have.

    Args:
        unknown: What is returned where the kernel does not tell.
    """
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return unknown
    found = (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    return next(found, unknown)
