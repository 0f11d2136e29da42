"""Two builds at once: both are done, or the one that failed is told and the other is ended."""

import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from sandbox import side_by_side
from sandbox.progress import Progress
from sandbox.side_by_side import EndedError, both, two_at_a_time, within

_SOON_SECONDS = 10


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory enough."""
    monkeypatch.setattr(side_by_side, "available_memory", lambda _: 2**40)


@pytest.mark.usefixtures("room")
def test_each_goes_on_while_the_other_does() -> None:
    met = threading.Barrier(2)

    def work(progress: Progress) -> int:
        progress("begun")
        return met.wait(_SOON_SECONDS)

    lines: list[str] = []
    assert sorted(both(lines.append, work, work)) == [0, 1]
    assert lines == ["begun", "begun"]


def test_with_little_memory_one_comes_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "available_memory", lambda _: 2**20)
    lines: list[str] = []

    def work(progress: Progress) -> None:
        progress("begins")
        time.sleep(0.05)
        progress("ends")

    both(lines.append, work, work)
    assert lines == ["begins", "ends"] * 2


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("order", [1, -1])
def test_a_failure_is_told_and_the_program_that_the_other_has_begun_is_ended(order: int) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    def builds(progress: Progress) -> None:
        begun.append(subprocess.Popen(["sleep", "60"]))
        while begun[0].poll() is None:
            time.sleep(0.05)
        progress("an end that nobody hears")

    def fails(_: Progress) -> None:
        while not begun:
            time.sleep(0.01)
        raise ValueError("does not compile")

    first, second = (builds, fails)[::order]
    started = time.monotonic()
    with pytest.raises(ValueError, match="does not compile"):
        both(lambda _: None, first, second)
    assert begun[0].returncode
    assert time.monotonic() - started < _SOON_SECONDS


@pytest.mark.usefixtures("room")
def test_of_several_pieces_two_are_under_way_at_once_and_no_more() -> None:
    lock, met = threading.Lock(), threading.Barrier(2)
    under_way, seen = 0, list[int]()

    def piece(number: int, _: Progress) -> int:
        nonlocal under_way
        with lock:
            under_way += 1
            seen.append(under_way)
        met.wait(_SOON_SECONDS)
        with lock:
            under_way -= 1
        return number

    assert two_at_a_time(lambda _: None, [partial(piece, number) for number in range(4)]) == [0, 1, 2, 3]
    assert max(seen) == 2


@pytest.mark.usefixtures("room")
def test_after_a_failure_no_further_piece_begins() -> None:
    begun = list[int]()

    def fails(_: Progress) -> None:
        raise ValueError("does not compile")

    def waits(number: int, progress: Progress) -> None:
        begun.append(number)
        while True:
            time.sleep(0.05)
            progress("on its way")

    pieces: list[Callable[[Progress], None]] = [
        partial(waits, 1),
        fails,
        partial(waits, 2),
        partial(waits, 3),
    ]
    with pytest.raises(ValueError, match="does not compile"):
        two_at_a_time(lambda _: None, pieces)
    assert 3 not in begun


def test_work_that_nobody_waits_for_ends_with_its_next_line() -> None:
    over, lines = threading.Event(), list[str]()
    told = side_by_side.until(over, lines.append)
    told("one")
    over.set()
    with pytest.raises(EndedError):
        told("two")
    assert lines == ["one"]


def test_work_ends_when_its_time_is_over_and_that_is_told() -> None:
    ended = threading.Event()

    def work(progress: Progress) -> None:
        try:
            for _ in range(1000):
                progress("compiling")
                time.sleep(0.01)
        finally:
            ended.set()

    assert not within(0.05, lambda _: None, work)
    assert ended.is_set()


def test_work_that_is_done_in_time_is_told_so_however_much_time_there_is() -> None:
    lines: list[str] = []
    assert within(float("inf"), lines.append, lambda progress: progress("all there"))
    assert within(-1.0, lines.append, lambda _: None)
    assert lines == ["all there"]
