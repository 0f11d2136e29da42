"""The preflight's own script, fed with facts."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from a1platform.node.facts import HostFacts, parse_facts, render_facts
from a1platform.node.preflight import render_preflight
from a1platform.node.shell import guarded
from a1platform.settings.node import NodeSettings, PreflightSettings
from tests.unit.node.conftest import FIT

Entry = Callable[..., dict[str, Any]]


def _answer(
    node: dict[str, Any], minimum: PreflightSettings, **changes: str
) -> subprocess.CompletedProcess[str]:
    script = render_preflight(minimum, NodeSettings.model_validate(node))
    facts = "\n".join(f"echo '{key}={value}'" for key, value in {**FIT, **changes}.items())
    faked = script.replace(render_facts(), facts)
    assert faked != script
    return subprocess.run(["bash", "-s"], input=guarded(faked), capture_output=True, text=True, check=False)


def test_a_fit_host_passes_without_a_word(node: Entry) -> None:
    answer = _answer(node(), PreflightSettings())
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize(
    ("fact", "value", "sentence"),
    [
        ("kernel_name", "FreeBSD", "operating system: found FreeBSD, expected Linux"),
        ("machine", "riscv64", "processor: found riscv64, expected x86_64 or aarch64"),
        ("distribution", "fedora 41", "distribution: found fedora 41, expected debian 12 or debian 13 or"),
        ("systemd", "no", "systemd as init: found no, expected yes"),
        ("sudo", "no", "user root with sudo without a password: found no, expected yes"),
        ("vcpus", "2", "vCPUs: found 2, expected at least 8"),
        ("memory_mib", "4096", "memory in MiB: found 4096, expected at least 15000"),
        ("disk_mib", "", "free disk under /var/lib in MiB: found nothing, expected at least 40000"),
        ("clock_synchronised", "no", "clock in sync: found no, expected yes"),
        ("other_kubernetes", "/var/lib/k0s ", "another Kubernetes: found /var/lib/k0s, expected none"),
        (
            "k3s_data",
            "/var/lib/rancher /etc/rancher ",
            "data of another K3s: found /var/lib/rancher /etc/ran",
        ),
        ("listening_local", "6444 10257 10259", "127.0.0.1: found a listener on 6444 10257 10259, expected"),
        ("other_firewalls", "ufw ", "another firewall: found ufw switched on, expected none: its rules drop"),
        ("listening_udp", "68 8472", "UDP ports: found a listener on 8472, expected them free for K3s"),
        ("listening", "22 6443 10250", "ports: found a listener on 6443 10250, expected them free for K3s"),
    ],
)
def test_a_host_that_is_not_fit_is_refused_with_what_was_found(
    node: Entry, fact: str, value: str, sentence: str
) -> None:
    answer = _answer(node(), PreflightSettings(), **{fact: value})
    assert answer.returncode == 1
    assert sentence in answer.stderr
    assert answer.stderr.count("\n") == 2


def test_all_problems_are_named_at_once(node: Entry) -> None:
    answer = _answer(node(), PreflightSettings(), vcpus="1", memory_mib="900", systemd="no")
    assert answer.stderr.count("expected") == 3


def test_a_stack_can_ask_for_less(node: Entry) -> None:
    less = PreflightSettings.model_validate(
        {"vcpus": 2, "memoryMib": 2048, "diskMib": 1024, "clockSynchronised": False}
    )
    low = {"vcpus": "2", "memory_mib": "2048", "disk_mib": "1024", "clock_synchronised": "no"}
    assert _answer(node(), less, **low).returncode == 0


def test_ports_that_our_own_k3s_holds_are_no_problem(node: Entry) -> None:
    held = {"listening": "22 6443", "listening_local": "6444 10248", "listening_udp": "8472"}
    assert _answer(node(), PreflightSettings(), **held, k3s_is_ours="yes", k3s_runs="yes").returncode == 0


def test_a_port_that_was_taken_while_our_own_k3s_is_stopped_is_named(node: Entry) -> None:
    # Its tunnel stays when it stops.
    held = {"listening": "22 6443", "listening_udp": "8472"}
    answer = _answer(node(), PreflightSettings(), **held, k3s_is_ours="yes")
    assert "ports: found a listener on 6443, expected" in answer.stderr
    assert "8472" not in answer.stderr


def test_a_key_can_be_rotated_on_a_node_that_our_own_k3s_has_filled(node: Entry) -> None:
    answer = _answer(node(), PreflightSettings(), disk_mib="3000", k3s_is_ours="yes")
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize("found", ["900", ""])
def test_where_our_own_k3s_runs_room_for_an_upgrade_is_asked_for_and_said(node: Entry, found: str) -> None:
    answer = _answer(node(), PreflightSettings(), disk_mib=found, k3s_is_ours="yes")
    assert answer.returncode == 1
    assert (
        f"free disk under /var/lib in MiB: found {found or 'nothing'}, expected at least 2048, which an "
        "upgrade takes where our own K3s is already: free some of it (`df -h`)\n"
    ) in answer.stderr


def test_a_stack_that_asks_a_new_host_for_less_asks_no_more_of_ours(node: Entry) -> None:
    less = PreflightSettings.model_validate({"diskMib": 1024})
    assert _answer(node(), less, disk_mib="1100", k3s_is_ours="yes").returncode == 0


def test_where_our_firewall_is_off_the_site_has_one_of_its_own(node: Entry) -> None:
    script = render_preflight(PreflightSettings(), NodeSettings.model_validate(node()), firewall=False)
    assert "\n    a1_no_firewall\n" not in script
    assert "\n    a1_no_firewall\n" in render_preflight(
        PreflightSettings(), NodeSettings.model_validate(node())
    )


@pytest.mark.parametrize(
    ("ufw", "firewalld", "found"),
    [
        ("ENABLED=no\n", "", ()),
        ("# ENABLED=yes\nENABLED=yes\n", "", ("ufw",)),
        ("ENABLED=no\n", "enabled", ("firewalld",)),
    ],
)
def test_another_firewall_counts_once_it_is_switched_on(
    tmp_path: Path, ufw: str, firewalld: str, found: tuple[str, ...]
) -> None:
    (tmp_path / "ufw.conf").write_text(ufw)
    units = f'systemctl() {{ [ "$*" = "is-enabled firewalld" ] && echo {firewalld}; }}\n'
    script = _NO_CLOCK + units + render_facts().replace("/etc/ufw/ufw.conf", f"{tmp_path}/ufw.conf")
    done = subprocess.run(["bash", "-s"], input=script, capture_output=True, text=True, check=True)
    assert parse_facts(done.stdout).other_firewalls == found


def test_an_agent_does_not_need_the_servers_ports(node: Entry) -> None:
    assert _answer(node(role="agent"), PreflightSettings(), listening="22 6443 2379").returncode == 0
    assert _answer(node(role="agent"), PreflightSettings(), listening_local="10257 2381").returncode == 0


# It waits for a bus where there is none.
_NO_CLOCK = "timedatectl() { echo no; }\n"


def _facts_of(root: Path) -> HostFacts:
    """Read the facts of a host whose folders are below another one."""
    script = _NO_CLOCK + render_facts()
    for folder in (
        "/var/lib/a1",
        "/var/lib/rancher",
        "/var/lib/kubelet",
        "/etc/rancher",
        "/usr/local/bin/k3s",
    ):
        script = script.replace(folder, f"{root}{folder}")
    return parse_facts(
        subprocess.run(["bash", "-s"], input=script, capture_output=True, text=True, check=True).stdout
    )


def _file(path: Path) -> str:
    path.parent.mkdir(parents=True)
    path.write_text("data")
    return str(path)


def test_data_that_k3s_would_adopt_is_found_with_its_folder(tmp_path: Path) -> None:
    assert _facts_of(tmp_path).k3s_data == ()
    _file(tmp_path / "etc/rancher/k3s/config.yaml")
    _file(tmp_path / "var/lib/rancher/k3s/server/token")
    binary = _file(tmp_path / "usr/local/bin/k3s")
    assert _facts_of(tmp_path).k3s_data == (f"{tmp_path}/etc/rancher", f"{tmp_path}/var/lib/rancher", binary)


def test_empty_folders_are_no_data_of_anybody(tmp_path: Path) -> None:
    (tmp_path / "var/lib/rancher/lost+found").mkdir(parents=True)
    (tmp_path / "var/lib/kubelet").mkdir()
    assert _facts_of(tmp_path).k3s_data == ()


@pytest.mark.parametrize("record", ["host-changes/k3s", "host-changes/sysctl", "uploads/cluster-a1-binary"])
def test_what_a_record_of_ours_accounts_for_is_ours_however_the_run_ended(
    tmp_path: Path, record: str
) -> None:
    _file(tmp_path / "usr/local/bin/k3s")
    (tmp_path / "var/lib/a1/uploads").mkdir(parents=True)
    assert _facts_of(tmp_path).k3s_data != ()
    (tmp_path / "var/lib/a1" / record).mkdir(parents=True)
    assert _facts_of(tmp_path).k3s_data == ()


def test_a_listener_counts_for_loopback_only_where_it_is_in_the_way(tmp_path: Path) -> None:
    lines = ["127.0.0.1:10257", "192.0.2.5:10258", "*:10259", "127.0.0.53%lo:10248", "[::1]:10249"]
    fake = tmp_path / "ss"
    fake.write_text("#!/bin/sh\n" + "".join(f"echo 'LISTEN 0 128 {one} 0.0.0.0:*'\n" for one in lines))
    fake.chmod(0o755)
    script = _NO_CLOCK + render_facts().replace("export PATH=", f"export PATH={tmp_path}:")
    done = subprocess.run(["bash", "-s"], input=script, capture_output=True, text=True, check=True)
    facts = parse_facts(done.stdout)
    assert facts.listening == (10248, 10249, 10257, 10258, 10259)
    assert facts.listening_local == (10257, 10259)


def test_the_facts_of_this_machine_can_be_read() -> None:
    answer = subprocess.run(["bash", "-s"], input=render_facts(), capture_output=True, text=True, check=True)
    facts = parse_facts(answer.stdout)
    assert facts.kernel_name == "Linux"
    assert facts.vcpus > 0
    assert facts.memory_mib > 0


def test_an_answer_without_facts_is_refused() -> None:
    with pytest.raises(ValueError, match="found no 'kernel_name'"):
        parse_facts("sh: not found\n")
