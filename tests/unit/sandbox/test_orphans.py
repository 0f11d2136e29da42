"""Which processes a killed run leaves are ended; each plugin here is a sleeping program of that name."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.orphans import end_orphans

Begin = Callable[..., int]
_BACKEND = "file:///a/backend/of/this/test"


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """A function that starts a plugin below `pulumi` and gives its process id."""
    shell, plugin = tmp_path / "pulumi", tmp_path / "pulumi-resource-command"
    shutil.copy(Path("/bin/bash").resolve(), shell)
    shutil.copy(Path("/bin/sleep").resolve(), plugin)
    parents: list[subprocess.Popen[str]] = []
    started: list[int] = []

    def start(backend: str = _BACKEND, *, killed: bool) -> int:
        parent = subprocess.Popen(
            [shell, "-c", f"{plugin} 60 & echo $!; wait"],
            env={**os.environ, "PULUMI_BACKEND_URL": backend},
            stdout=subprocess.PIPE,
            text=True,
        )
        parents.append(parent)
        assert parent.stdout
        started.append(int(parent.stdout.readline()))
        if killed:
            parent.kill()
            parent.wait()
        return started[-1]

    yield start
    for pid in (pid for pid in started if _lives(pid)):
        os.kill(pid, 9)
    for parent in parents:
        parent.wait()


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_plugin_whose_pulumi_was_killed_is_ended(begin: Begin) -> None:
    orphan = begin(killed=True)
    end_orphans(_BACKEND)
    time.sleep(0.1)
    assert not _lives(orphan)


def test_a_plugin_of_a_run_that_goes_on_is_left_alone(begin: Begin) -> None:
    busy = begin(killed=False)
    end_orphans(_BACKEND)
    assert _lives(busy)


def test_a_plugin_of_another_backend_is_left_alone(begin: Begin) -> None:
    other = begin("file:///another", killed=True)
    end_orphans(_BACKEND)
    assert _lives(other)
