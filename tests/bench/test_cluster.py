"""How long a bare node takes, against the same work by hand; what a run without changes costs."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.cache import Cache
from sandbox.engine import Engine
from sandbox.node import Node
from tests.bench.conftest import Figures, compared, empty_program, seconds
from tests.bench.connections import connections
from tests.bench.memory import PeakMemory, of_service
from tests.sandbox.deployment import DESTROY, UP, Deployment, deployment

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

_UP_AGAINST_BY_HAND = 2.0
_NO_CHANGE_AGAINST_EMPTY = 2.5
_CONNECTIONS = 12
_PEAK_MIB = 1536
_AUDIT_SECONDS = 5
_READY = (
    "until k3s kubectl get node a1 2>/dev/null | grep -qw Ready; do sleep 0.2; done;"
    "until k3s kubectl -n kube-system get deploy coredns 2>/dev/null | grep -q 1/1; do sleep 0.2; done"
)


@pytest.fixture(scope="module")
def deployed(
    cache: Cache,
    start_node: Callable[[str], Node],
    tmp_path_factory: pytest.TempPathFactory,
    figures: Figures,
) -> Iterator[tuple[Deployment, float]]:
    """A deployment and the seconds that it took from the bare node."""
    made = deployment(cache, start_node("a1"), tmp_path_factory.mktemp("state"))
    with PeakMemory(os.getpid()) as memory:
        start = time.monotonic()
        made.stack.read(*UP)
        taken = time.monotonic() - start
    what = "peak memory of an up of the cluster alone, from nothing"
    assert figures.amount(what, round(memory.mib), "MiB", _PEAK_MIB)
    yield made, taken
    made.stack.read(*DESTROY)


def test_an_up_from_nothing_opens_few_connections(
    deployed: tuple[Deployment, float], figures: Figures
) -> None:
    count = connections(deployed[0].node)
    assert figures.amount("SSH connections of an up of the cluster alone", count, "", _CONNECTIONS)


def test_a_run_without_changes_costs_little_more_than_an_empty_program(
    deployed: tuple[Deployment, float], tmp_path: Path, figures: Figures
) -> None:
    made = deployed[0]
    empty = empty_program(made.stack, tmp_path)
    ours, theirs = compared(lambda: made.stack.read(*UP, "--expect-no-changes"), lambda: empty.read(*UP))
    assert figures.ratio("up without changes", ours, "an empty program", theirs, _NO_CHANGE_AGAINST_EMPTY)


def test_an_audit_of_the_node_is_quick(deployed: tuple[Deployment, float], figures: Figures) -> None:
    config = deployed[0].stack.config
    assert config
    command = [sys.executable, "-m", "a1platform", "audit", "--stack", "test", "--folder", str(config.parent)]
    taken = seconds(lambda: subprocess.run(command, check=True))
    assert figures.amount("a1 audit of one node", round(taken, 1), "s", _AUDIT_SECONDS)


def test_k3s_on_the_idle_node_is_measured(deployed: tuple[Deployment, float], figures: Figures) -> None:
    kib = int(deployed[0].on_node(of_service("k3s.service")))
    what = "memory of K3s on the idle node, containerd and its shims included"
    assert figures.amount(what, round(kib / 1024), "MiB")


def test_a_bare_node_is_ready_in_at_most_twice_the_time_by_hand(  # noqa: PLR0913, PLR0917 - pytest's fixtures
    deployed: tuple[Deployment, float],
    engine: Engine,
    start_node: Callable[[str], Node],
    group: str,
    tmp_path: Path,
    figures: Figures,
    request: pytest.FixtureRequest,
) -> None:
    made, taken = deployed
    by_hand = start_node("a2")
    files = tmp_path / "files.tar"
    paths = "etc/rancher/k3s etc/systemd/system/k3s.service usr/local/bin/k3s"
    paths += " var/lib/rancher/k3s/agent/images var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl"
    source, target = (f"a1-sandbox-{group}.{name}" for name in ("a1", "a2"))
    packed = subprocess.run(
        engine.command("exec", source, "tar", "-C", "/", "-cf", "-", "--exclude=k3s.yaml", *paths.split()),
        capture_output=True,
        check=True,
    )
    files.write_bytes(packed.stdout)
    # Ours had the machine to itself.
    engine.run("pause", source)
    request.addfinalizer(lambda: engine.run("unpause", source))
    start = time.monotonic()
    with files.open("rb") as content:
        command = engine.command("exec", "--interactive", target, "tar", "-C", "/", "-xf", "-")
        subprocess.run(command, stdin=content, check=True)
    engine.run("exec", target, "mkdir", "-p", "/var/lib/rancher/k3s/server/logs")
    engine.run(
        "exec",
        target,
        "sed",
        "-i",
        f"s/{made.node.address}/{by_hand.address}/",
        "/etc/rancher/k3s/config.yaml",
    )
    engine.run("exec", target, "systemctl", "start", "k3s")
    engine.run("exec", target, "bash", "-c", _READY)
    other = time.monotonic() - start
    assert figures.ratio("bare node to Ready by up", taken, "by hand", other, _UP_AGAINST_BY_HAND)
