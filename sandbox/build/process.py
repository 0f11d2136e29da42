"""Run long programs: their output in a file, a line now and then, and an end when nothing moves any more."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

STALLED_SECONDS = 240.0
"""A build that uses no CPU for so long waits for a server that will not answer; Go would wait for ever."""

_BEHIND = ("nice", "-n", "10")
"""A compiler takes what the cluster beside it leaves: etcd and the API server have times to keep."""
_POLL_SECONDS = 0.2
_LOOK_SECONDS = 2.0
_TERMINATE_SECONDS = 10
_END_IN_ORDER_SECONDS = 120.0
# Fields of /proc/PID/stat after the name: user and system time, of the process and of its ended children.
_TIMES = slice(11, 15)
_PARENT, _SESSION = 1, 3


class StalledError(RuntimeError):
    """A program did nothing for too long and was ended."""


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    tick: Callable[[], None] = lambda: None,
) -> int:
    """Run a program to its end and return its exit status.

    Args:
        command: Program and arguments.
        folder: Where it runs.
        environment: Its environment.
        log: Takes its output, standard error included.
        tick: Called several times a second.

    Raises:
        StalledError: It used no CPU for `STALLED_SECONDS`.
    """
    with log.open("w") as output:
        process = subprocess.Popen(
            [*_BEHIND, *command], cwd=folder, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _watch(process, command[0], tick)
        finally:
            _end(process)
    return process.returncode


def ask(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
    tick: Callable[[], None] = lambda: None,
) -> subprocess.CompletedProcess[str]:
    """Run a program for what it prints, and return that with its exit status.

    Args:
        command: Program and arguments.
        folder: Where it runs.
        environment: Its environment.
        seconds: How long it may take.
        tick: Called several times a second.

    Raises:
        TimeoutExpired: It took longer, and was ended.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            printed, told = _answer(process, seconds, tick)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, printed, told)


def _answer(process: subprocess.Popen[str], seconds: float, tick: Callable[[], None]) -> tuple[str, str]:
    until = time.monotonic() + seconds
    while True:
        try:
            return process.communicate(timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if time.monotonic() > until:
                raise
            tick()


def run_in_order(
    command: Sequence[str],
    log: Path,
    tick: Callable[[], None] = lambda: None,
    environment: Mapping[str, str] | None = None,
    *,
    whole: bool = False,
) -> int:
    """Run a program that a kill in its middle would leave half done, and return its exit status.

    It has a session of its own: an interrupt from the keyboard comes to it by us, once, with time to end.

    Args:
        command: Program and arguments.
        log: Takes its output, after what is in it.
        tick: Called several times a second.
        environment: Its environment, by default ours.
        whole: Whether the programs that it has begun are ended too. Not those of apt: it waits for dpkg, and
            some serve on.

    Raises:
        StalledError: It used no CPU for `STALLED_SECONDS`.
    """
    with log.open("a") as output:
        process = subprocess.Popen(
            command,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _watch(process, command[0], tick)
        finally:
            _end_in_order(process, whole=whole)
    return process.returncode


def _watch(process: subprocess.Popen[bytes], name: str, tick: Callable[[], None]) -> None:
    used, moved = -1, time.monotonic()
    while process.poll() is None:
        time.sleep(_POLL_SECONDS)
        tick()
        if time.monotonic() - moved >= _LOOK_SECONDS:
            now = cpu_ticks(process.pid)
            if now != used:
                used, moved = now, time.monotonic()
            elif time.monotonic() - moved >= STALLED_SECONDS:
                raise StalledError(f"{name} did nothing for {STALLED_SECONDS:.0f} s")


def cpu_ticks(pid: int) -> int:
    """Return the CPU time of a process, its children and its session; 0 where it cannot be seen.

    Children that have ended are included.
    """
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if pid in {int(stat.parent.name), int(fields[_PARENT]), int(fields[_SESSION])}:
            total += sum(int(field) for field in fields[_TIMES])
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_TERMINATE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_in_order(process: subprocess.Popen[bytes], *, whole: bool) -> None:
    if process.poll() is not None:
        return
    if whole:
        os.killpg(process.pid, signal.SIGTERM)
    else:
        # apt ends at once while it downloads, else after what dpkg is at; a termination would cut dpkg off.
        process.send_signal(signal.SIGINT)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_IN_ORDER_SECONDS)
    finally:
        # Too late, or interrupted once more.
        if whole or process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
