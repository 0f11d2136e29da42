"""Run a long build: its output in a file, a line now and then, and an end when nothing moves any more."""

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
# Fields of /proc/PID/stat after the name: user and system time, of the process and of its ended children.
_TIMES = slice(11, 15)
_PARENT = 1


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
            used, moved = -1, time.monotonic()
            while process.poll() is None:
                time.sleep(_POLL_SECONDS)
                tick()
                if time.monotonic() - moved >= _LOOK_SECONDS:
                    now = cpu_ticks(process.pid)
                    if now != used:
                        used, moved = now, time.monotonic()
                    elif time.monotonic() - moved >= STALLED_SECONDS:
                        raise StalledError(f"{command[0]} did nothing for {STALLED_SECONDS:.0f} s")
        finally:
            _end(process)
    return process.returncode


def cpu_ticks(pid: int) -> int:
    """Return the CPU time of a process and its children, ended ones included; 0 where it cannot be seen."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == pid or int(fields[_PARENT]) == pid:
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
