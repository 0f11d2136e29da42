"""Both halves of the suite run at once, are shown one after the other, and fail when either fails."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox import suite


def _python(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def test_the_second_half_runs_beside_the_first_and_is_shown_after_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there"
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(there)!r}).exists(): time.sleep(0.05)\n"
    suite.halves(
        tmp_path / "log",
        _python(f"{waits}print('first', flush=True)"),
        _python(f"import pathlib; print('second'); pathlib.Path({str(there)!r}).touch()"),
    )
    assert capfd.readouterr().out.split() == ["first", "second"]


def test_the_second_half_does_not_wait_for_what_only_the_first_needs(tmp_path: Path) -> None:
    there = tmp_path / "there"
    begins = _python(f"import pathlib; pathlib.Path({str(there)!r}).touch()")

    def made() -> None:
        deadline = time.monotonic() + 30
        while not there.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    suite.halves(tmp_path / "log", _python("pass"), begins, made)


def test_the_second_half_is_ended_where_what_the_first_needs_cannot_be_made(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    # A shell has what it begins in the background ignore the interrupt.
    second = (
        "import pathlib, signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"pathlib.Path({str(ready)!r}).touch()\ntime.sleep(60)\n"
    )

    def fails() -> None:
        while not ready.exists():
            time.sleep(0.05)
        raise RuntimeError("not made")

    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="not made"):
        suite.halves(tmp_path / "log", _python("pass"), _python(second), fails)
    assert time.monotonic() - begun < 50


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_failure_of_either_half_is_one_of_the_whole_and_the_other_runs_to_its_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], which: str
) -> None:
    fails, succeeds = _python("raise SystemExit(3)"), _python("print('to its end')")
    programs = (fails, succeeds) if which == "first" else (succeeds, fails)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        suite.halves(tmp_path / "log", *programs)
    assert caught.value.returncode == 3
    assert "to its end" in capfd.readouterr().out


def test_an_interrupt_reaches_the_second_half_once_and_is_waited_for(tmp_path: Path) -> None:
    ready, gone = tmp_path / "ready", tmp_path / "gone"
    second = (
        "import pathlib, time\n"
        f"try:\n    pathlib.Path({str(ready)!r}).touch(); time.sleep(60)\n"
        f"except KeyboardInterrupt:\n    time.sleep(0.5); pathlib.Path({str(gone)!r}).touch()\n"
    )
    program = f"""
import signal, sys
from pathlib import Path
from sandbox.suite import halves
signal.signal(signal.SIGINT, signal.default_int_handler)
halves(Path({str(tmp_path / "log")!r}), (sys.executable, "-c", "import time; time.sleep(60)"),
    (sys.executable, "-c", {second!r}))
"""
    running = subprocess.Popen(
        _python(program), start_new_session=True, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[3]
    )
    deadline = time.monotonic() + 30
    while not ready.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    running.wait(timeout=30)
    assert gone.exists()
