"""`make up` and `make down` as a person runs them: interrupted at every stage, run again, and taken away."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from sandbox.cache import Cache
from sandbox.engine import find_engine, stop_engine
from sandbox.prepare import require_fit
from sandbox.progress import to_terminal
from sandbox.pulumi import REPOSITORY

pytestmark = [pytest.mark.sandbox, pytest.mark.long, pytest.mark.timeout(3600)]
_PARTS = "external-secrets"
_INTERRUPTED = 130
_NOTED_WITHIN_SECONDS = 20
# What is said when a stage begins, and the seconds into it at which the key is pressed.
_STAGES = (
    ("a sandbox node on this machine stands in", 0.0),
    ("starting node a1", 1.0),
    ("pulumi up, stack sandbox", 3.0),
    ("cluster-a1-binary", 1.0),
    ("cluster-a1-k3s", 8.0),
    ("Release platform-external-secrets", 2.0),
)
_TRACES = (
    "ls /sys/class/net | sort",
    "cut -d' ' -f2 /proc/self/mounts | sort",
    "grep -shE 'k3s|dockerd|containerd|pulumi|git-daemon' /proc/[0-9]*/comm | sort",
    "ls --directory /run/a1-sandbox-* /sys/fs/cgroup/docker /sys/fs/cgroup/*/docker 2>/dev/null",
    "iptables-save 2>/dev/null | grep -v '^[#:]' || true",
)


def _sandbox(*words: str, state: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [".venv/bin/python", "-u", "-m", "sandbox", *words],
        cwd=REPOSITORY,
        env={**os.environ, "A1_STATE": str(state), "A1_SANDBOX": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said = process.communicate(timeout=900)[0]
    return process.returncode, said


def _traces() -> list[str]:
    return [
        subprocess.run(["bash", "-c", one], capture_output=True, text=True, check=False).stdout
        for one in _TRACES
    ]


@pytest.fixture(scope="module")
def state(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder of the test's own, on a machine where no sandbox is up."""
    require_fit(cache)
    engine = find_engine(cache)
    if engine and engine.run("ps", "--all", "--quiet", "--filter", "label=a1.sandbox"):
        pytest.skip("a sandbox is up, whose node this test would use: `make down` first")
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def before(state: Path, cache: Cache) -> list[str]:
    assert state.is_dir()
    # One that tests before these have started holds nothing any more, and would go with the first `down`.
    stop_engine(cache, to_terminal)
    return _traces()


def _interrupt_up(stage: str, seconds: float, state: Path) -> None:
    """Begin `up`, press the key some seconds after a line, and require the words that say how to go on."""
    process = _sandbox("up", "--parts", _PARTS, state=state)
    said = ""
    for line in process.stdout or ():
        said += line
        if re.search(stage, line):
            time.sleep(seconds)
            os.killpg(process.pid, signal.SIGINT)
            break
    status, rest = _ended(process)
    assert (status, "run it again to go on" in rest) == (_INTERRUPTED, True), said + rest


@pytest.mark.parametrize(("stage", "seconds"), _STAGES)
def test_an_interrupt_at_any_stage_says_how_to_go_on(
    stage: str, seconds: float, state: Path, before: list[str]
) -> None:
    assert before
    _interrupt_up(stage, seconds, state)


def test_up_goes_on_where_it_was_interrupted(state: Path) -> None:
    status, said = _ended(_sandbox("up", "--parts", _PARTS, state=state))
    assert status == 0, said
    assert "external-secrets: chart 0.19.2" in said


def test_a_second_up_changes_nothing(state: Path) -> None:
    status, said = _ended(_sandbox("up", "--parts", _PARTS, state=state))
    assert status == 0, said
    assert re.search(r"Resources:\n\s+\d+ unchanged", said), said
    assert "pending" not in said


def test_a_node_that_is_gone_is_made_anew_with_all_that_was_on_it(state: Path) -> None:
    engine = find_engine(Cache.default())
    assert engine
    engine.run("rm", "--force", "--volumes", "a1-sandbox-a1")
    status, said = _ended(_sandbox("up", "--parts", _PARTS, state=state))
    assert status == 0, said
    assert "the machine is gone: what was on it is forgotten" in said
    assert "external-secrets: chart 0.19.2" in said


def _down(state: Path, before: list[str]) -> str:
    """Take everything away, require that nothing of it is left on this machine, and return what was said."""
    status, said = _ended(_sandbox("down", state=state))
    assert status == 0, said
    # A program that has ended is listed until its parent takes note.
    until = time.monotonic() + _NOTED_WITHIN_SECONDS
    while _traces() != before and time.monotonic() < until:
        time.sleep(0.5)
    assert _traces() == before
    # The passphrase opens what Pulumi itself keeps of a stack that is gone.
    assert {path.name for path in state.iterdir()} <= {"Pulumi.yaml", "passphrase", "stacks", "nodes"}
    assert list((state / "nodes").iterdir()) == []
    return said


def test_down_leaves_the_machine_as_it_was(state: Path, before: list[str]) -> None:
    _down(state, before)


_IN_THE_CLUSTER = next(one for one in _STAGES if one[0] == "cluster-a1-k3s")


def test_down_after_an_interrupted_up_leaves_the_machine_as_it_was(state: Path, before: list[str]) -> None:
    _interrupt_up(*_IN_THE_CLUSTER, state)
    assert "forgotten" not in _down(state, before)


def test_down_leaves_the_machine_as_it_was_though_the_node_lets_nobody_in(
    state: Path, before: list[str]
) -> None:
    _interrupt_up(*_IN_THE_CLUSTER, state)
    engine = find_engine(Cache.default())
    assert engine
    engine.run("exec", "a1-sandbox-a1", "systemctl", "stop", "ssh")
    said = _down(state, before)
    assert "node a1 does not answer over SSH" in said
    assert "nodeIsGone" not in said
