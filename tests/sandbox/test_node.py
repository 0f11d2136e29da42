"""Sandbox nodes and their engine, for real."""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from sandbox.cache import Cache
from sandbox.engine import Engine, _end_leftovers, ensure_engine, find_engine, stop_engine
from sandbox.node import Node, NodeError, nodes, reboot, start, stop
from sandbox.node.image import ensure_image
from sandbox.node.keys import key_pair
from sandbox.progress import to_terminal
from sandbox.up import _stop_sandbox

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def pair(start_node: Callable[[str], Node]) -> tuple[Node, Node]:
    return start_node("one"), start_node("two")


def answer(node: Node, command: str) -> str:
    with node.connect() as client:
        _, output, errors = client.exec_command(command, timeout=60)
        text = output.read().decode().strip()
        assert output.channel.recv_exit_status() == 0, errors.read().decode()
        return text


def test_two_nodes_run_side_by_side_and_reach_each_other(pair: tuple[Node, Node]) -> None:
    one, two = pair
    assert one.address != two.address
    assert (answer(one, "hostname"), answer(two, "hostname")) == ("one", "two")
    assert answer(one, "cat /etc/machine-id") != answer(two, "cat /etc/machine-id")
    assert answer(one, f"ping -c 1 -W 2 {two.address} >/dev/null && echo reached") == "reached"


def test_each_node_has_a_key_pair_and_a_host_key_of_its_own(pair: tuple[Node, Node]) -> None:
    one, two = pair
    assert one.host_key != two.host_key
    assert one.private_key.read_bytes() != two.private_key.read_bytes()


def test_a_wrong_host_key_is_refused(pair: tuple[Node, Node], tmp_path: Path) -> None:
    wrong = dataclasses.replace(pair[0], host_key=key_pair(tmp_path / "other").public)
    with pytest.raises(paramiko.BadHostKeyException):
        wrong.connect()


def test_another_private_key_is_not_let_in(pair: tuple[Node, Node]) -> None:
    wrong = dataclasses.replace(pair[0], private_key=pair[1].private_key)
    with pytest.raises(paramiko.AuthenticationException):
        wrong.connect()


def test_the_user_is_root_by_sudo_without_a_password(pair: tuple[Node, Node]) -> None:
    assert answer(pair[0], "sudo -n id -u") == "0"


def test_systemd_runs_with_no_unit_failed(pair: tuple[Node, Node]) -> None:
    assert answer(pair[0], "systemctl is-system-running") == "running"


def test_starting_a_running_node_again_restarts_nothing(
    pair: tuple[Node, Node], start_node: Callable[[str], Node]
) -> None:
    before = answer(pair[0], "ps -o lstart= -p 1")
    assert start_node("one") == pair[0]
    assert answer(pair[0], "ps -o lstart= -p 1") == before


def test_a_sysctl_of_the_kernel_set_in_a_node_changes_nothing_on_the_host(pair: tuple[Node, Node]) -> None:
    ours = [
        Path("/proc/sys/kernel/panic"),
        Path("/proc/sys/vm/overcommit_memory"),
        Path("/proc/sys/dev/tty/ldisc_autoload"),
        Path("/proc/sys/net/ipv4/ip_forward"),
    ]
    before = [path.read_text() for path in ours]
    names = ("kernel.panic", "vm.overcommit_memory", "dev.tty.ldisc_autoload", "net.ipv4.ip_forward")
    set_to = " ".join(f"{name}={value}" for name, value in zip(names, (77, 2, 0, 1), strict=True))
    answer(pair[0], f"sudo sysctl -w {set_to}")
    assert answer(pair[0], f"/sbin/sysctl -n {' '.join(names)}").split() == ["77", "2", "0", "1"]
    assert [path.read_text() for path in ours] == before


def test_a_reboot_keeps_disk_address_and_host_key(
    pair: tuple[Node, Node], engine: Engine, group: str
) -> None:
    two = pair[1]
    answer(two, "echo kept > kept; sudo touch /var/lib/rancher/kept; touch /tmp/lost")
    identity = answer(two, "cat /etc/machine-id")
    assert reboot(engine, "two", group) == two
    assert answer(
        two, "cat kept; ls /var/lib/rancher; ls /tmp/lost 2>/dev/null; cat /etc/machine-id"
    ).split() == [
        *("kept", "kept"),
        identity,
    ]


def test_the_node_can_be_told_to_reboot_itself(
    pair: tuple[Node, Node], start_node: Callable[[str], Node]
) -> None:
    before = answer(pair[1], "ps -o lstart= -p 1")
    with pair[1].connect() as client:
        client.exec_command("sudo systemctl reboot")[1].channel.recv_exit_status()
    assert start_node("two") == pair[1]
    assert answer(pair[1], "ps -o lstart= -p 1") != before


def test_stopping_a_node_leaves_no_container_volume_or_key(
    engine: Engine, group: str, start_node: Callable[[str], Node]
) -> None:
    gone = start_node("gone")
    stop(engine, "gone", group)
    assert gone not in nodes(engine, group)
    assert not engine.run("ps", "--all", "--quiet", "--filter", f"name=a1-sandbox-{group}.gone")
    assert not engine.run("volume", "ls", "--quiet", "--filter", f"name=a1-sandbox-{group}.gone")
    assert not gone.private_key.parent.exists()
    stop(engine, "gone", group)


def test_a_name_that_is_no_host_name_is_refused(start_node: Callable[[str], Node]) -> None:
    with pytest.raises(NodeError, match="lower-case letters"):
        start_node("No_Name")


def _sysctls() -> Iterator[str]:
    """Yield what `sysctl -a` prints, which a bare Debian does not have."""
    root = Path("/proc/sys")
    for path in sorted(root.rglob("*")):
        with contextlib.suppress(OSError):
            if path.is_file():
                name = path.relative_to(root).as_posix().replace("/", ".")
                yield f"{name} = {path.read_text(errors='replace').strip()}"


def host() -> dict[str, str]:
    """Return what a container engine may leave on its host."""
    changing = (
        "random",
        "dentry-state",
        "file-nr",
        "inode-",
        "ns_last_pid",
        "fs.quota",
        "cpu_",
        "sched_domain",
    )
    other = ("br-", "veth", "conf.br", "neigh.br", "conf.veth", "neigh.veth")
    rules = [
        subprocess.run([tool], capture_output=True, text=True, check=False).stdout
        for tool in ("iptables-legacy-save", "iptables-nft-save")
        if Path("/usr/sbin", tool).exists()
    ]
    return {
        "sysctls": "\n".join(
            line for line in _sysctls() if not any(word in line for word in (*changing, *other))
        ),
        "links": "\n".join(sorted(path.name for path in Path("/sys/class/net").iterdir())),
        "mounts": Path("/proc/self/mounts").read_text(),
        "rules": "\n".join(line for rule in rules for line in rule.splitlines() if not line.startswith("#")),
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="starting an engine of our own needs root")
def test_an_engine_of_ours_survives_a_kill_and_leaves_the_host_as_it_was(
    tmp_path: Path, cache: Cache, engine: Engine
) -> None:
    if not engine.ours:
        pytest.skip("this machine has an engine of its own, which is used instead of ours")
    image = ensure_image(engine, cache, to_terminal)
    own = Cache(tmp_path)
    kept = tmp_path / "node-image"
    kept.symlink_to(cache.root / "node-image")
    before = host()
    try:
        started = ensure_engine(own, to_terminal)
        run = Path(started.host.removeprefix("unix://")).parent
        start(started, own, "solo", to_terminal, "own-engine")
        assert started.run("image", "ls", "--quiet", image)
        os.kill(int((run / "dockerd.pid").read_text()), signal.SIGKILL)
        again = ensure_engine(own, to_terminal)
        start(again, own, "solo", to_terminal, "own-engine")
        stop(again, "solo", "own-engine")
    finally:
        stop_engine(own, to_terminal)
    assert find_engine(own) is None
    assert not run.exists()
    assert host() == before
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(OSError, match="No such file"):
        client.connect(str(run / "docker.sock"))


@pytest.mark.skipif(os.geteuid() != 0, reason="starting an engine of our own needs root")
def test_a_node_is_removed_after_a_restart_of_this_machine(
    tmp_path: Path, cache: Cache, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not engine.ours:
        pytest.skip("this machine has an engine of its own, which is used instead of ours")
    ensure_image(engine, cache, to_terminal)
    monkeypatch.setenv("A1_STATE", str(tmp_path / "state"))
    own = Cache(tmp_path)
    (tmp_path / "node-image").symlink_to(cache.root / "node-image")
    try:
        started = ensure_engine(own, to_terminal)
        start(started, own, "a1", to_terminal)
        # As a restart does: everything of it ends, and its data stays.
        _end_leftovers(own, Path(started.host.removeprefix("unix://")).parent)
        assert find_engine(own) is None
        _stop_sandbox(own, to_terminal)
    finally:
        stop_engine(own, to_terminal)
    assert list((tmp_path / "engine" / "containers").iterdir()) == []
    assert [path.name for path in (tmp_path / "engine" / "volumes").iterdir() if path.is_dir()] == []
    assert not (tmp_path / "state" / "nodes" / "main").exists()
