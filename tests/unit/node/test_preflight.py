"""The preflight's own script, fed with facts."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from a1platform.node.facts import parse_facts, render_facts
from a1platform.node.preflight import render_preflight
from a1platform.node.shell import guarded
from a1platform.settings.node import NodeSettings, PreflightSettings

_FIT = {
    "kernel_name": "Linux",
    "kernel_release": "6.1.0",
    "machine": "x86_64",
    "distribution": "debian 12",
    "vcpus": "8",
    "memory_mib": "15900",
    "disk_mib": "90000",
    "systemd": "yes",
    "clock_synchronised": "yes",
    "sudo": "yes",
    "other_kubernetes": "",
    "k3s_is_ours": "no",
    "listening": "22 ",
}
Entry = Callable[..., dict[str, Any]]


def _answer(
    node: dict[str, Any], minimum: PreflightSettings, **changes: str
) -> subprocess.CompletedProcess[str]:
    script = render_preflight(minimum, NodeSettings.model_validate(node))
    facts = "\n".join(f"echo '{key}={value}'" for key, value in {**_FIT, **changes}.items())
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
    assert _answer(node(), PreflightSettings(), listening="22 6443", k3s_is_ours="yes").returncode == 0


def test_an_agent_does_not_need_the_servers_ports(node: Entry) -> None:
    assert _answer(node(role="agent"), PreflightSettings(), listening="22 6443 2379").returncode == 0


def test_the_facts_of_this_machine_can_be_read() -> None:
    answer = subprocess.run(["bash", "-s"], input=render_facts(), capture_output=True, text=True, check=True)
    facts = parse_facts(answer.stdout)
    assert facts.kernel_name == "Linux"
    assert facts.vcpus > 0
    assert facts.memory_mib > 0


def test_an_answer_without_facts_is_refused() -> None:
    with pytest.raises(ValueError, match="found no 'kernel_name'"):
        parse_facts("sh: not found\n")
