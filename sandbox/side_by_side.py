"""Long work beside other work: two builds at once, and an end for what nobody waits for any more."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

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


def within(seconds: float, progress: Progress, work: Callable[[Progress], object]) -> bool:
    """Do work until its time is over, and tell whether it was done; the next run goes on where it ended.

    Args:
        seconds: How long it may take; it is ended at the next line that it tells.
        progress: Takes its lines.
        work: Takes progress.
    """
    over = threading.Event()
    clock = threading.Timer(min(max(seconds, 0.0), threading.TIMEOUT_MAX), over.set)
    clock.daemon = True
    clock.start()
    try:
        work(until(over, progress))
    except EndedError:
        return False
    finally:
        clock.cancel()
    return True


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
    with _at_once(progress) as begin:
        one, other = begin(first), begin(second)
    return one.result(), other.result()


def two_at_a_time(progress: Progress, pieces: Sequence[Callable[[Progress], _A]]) -> list[_A]:
    """Do pieces of work, two of them at once where there is memory for it.

    Args:
        progress: Takes the lines of all.
        pieces: Each takes progress; begun in this order.

    Returns:
        What they return, in their order.

    Raises:
        Exception: That of the one that fails first; those under way are ended.
    """
    if len(pieces) == 1 or available_memory(_ROOM) < _ROOM:
        return [piece(progress) for piece in pieces]
    with _at_once(progress) as begin:
        begun = [begin(piece) for piece in pieces]
    return [one.result() for one in begun]


class _Begin(Protocol):
    """Begins a piece of work."""

    def __call__(self, piece: Callable[[Progress], _A], /) -> Future[_A]: ...


@contextmanager
def _at_once(progress: Progress) -> Iterator[_Begin]:
    """Give what begins work on one of two threads; at the end all of it is done, or one has failed."""
    over = threading.Event()
    told = until(over, progress)
    begun: list[Future[Any]] = []
    with ThreadPoolExecutor(2) as pool:

        def begin(piece: Callable[[Progress], _A]) -> Future[_A]:
            future = pool.submit(piece, told)
            begun.append(future)
            return future

        try:
            yield begin
            # The one that fails first, not the first of them.
            for ended in wait(begun, return_when=FIRST_EXCEPTION).done:
                ended.result()
        except BaseException:
            over.set()
            for future in begun:
                future.cancel()
            end(lambda: all(future.done() for future in begun))
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
