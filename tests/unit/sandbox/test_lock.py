"""Whose lock `recover` takes away: that of a run which is over, and no other."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.pulumi import Stack


@pytest.fixture
def running(tmp_path: Path) -> Iterator[int]:
    """The number of a `pulumi` that runs."""
    program = tmp_path / "pulumi"
    shutil.copy(Path("/bin/sleep").resolve(), program)
    process = subprocess.Popen([program, "60"])
    # The parent goes on a moment before the kernel has put the new program's words in place.
    while not Path(f"/proc/{process.pid}/cmdline").read_bytes().endswith(b"60\0"):
        time.sleep(0.01)
    yield process.pid
    process.kill()
    process.wait()


def _recovered(folder: Path, pid: int, host: str = "") -> bool:
    """Tell whether a lock of a process is gone after `recover`."""
    lock = folder / ".pulumi" / "locks" / "organization" / "a1platform" / "a1" / "x.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"pid": pid, "hostname": host or socket.gethostname(), "username": "root"}))
    Stack("a1", {"PULUMI_BACKEND_URL": f"file://{folder}"}).recover()
    return not lock.exists()


def test_a_run_that_goes_on_keeps_its_lock(tmp_path: Path, running: int) -> None:
    assert not _recovered(tmp_path, running)


def test_a_run_that_has_ended_loses_its_lock(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert _recovered(tmp_path, ended.pid)


def test_a_run_whose_number_another_program_has_by_now_loses_its_lock(tmp_path: Path) -> None:
    assert _recovered(tmp_path, os.getpid())


def test_the_lock_of_another_machine_stays(tmp_path: Path) -> None:
    assert not _recovered(tmp_path, 1, "another")
