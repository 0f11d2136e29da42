"""A key pair, a node's settings and a host's facts for the tests of the host."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from a1platform.node.facts import HostFacts, parse_facts

HOST_KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32).decode()

FIT = {
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
    "k3s_data": "",
    "k3s_is_ours": "no",
    "k3s_runs": "no",
    "other_firewalls": "",
    "listening": "22 10257 ",
    "listening_local": "22 ",
    "listening_udp": "68 ",
}
"""What a host answers that the preflight has nothing against."""


def facts(**changes: str) -> HostFacts:
    """Return the facts of a fit host, with changes."""
    return parse_facts("\n".join(f"{key}={value}" for key, value in {**FIT, **changes}.items()))


@pytest.fixture
def node(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """A function that gives a valid node as it stands in YAML, with changes."""
    key = tmp_path / "id"
    key.write_text("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n")

    def entry(**changes: object) -> dict[str, Any]:
        valid = {"name": "a1", "host": "192.0.2.10", "privateKeyFile": str(key), "hostKey": HOST_KEY}
        return {name: value for name, value in {**valid, **changes}.items() if value is not None}

    return entry
