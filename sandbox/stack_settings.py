"""The settings of the sandbox's stack: the same program, told what a container is and a machine is not."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic.alias_generators import to_camel

from a1platform.naming import PROJECT
from a1platform.platform.selection import NAMES, OPTIONAL, SERVICES
from sandbox.node import Node

_CONTAINERD = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl"
_FLANNEL = "/etc/rancher/k3s/flannel-cni.json"
# What only a machine with a kernel of its own can show: docs/hardening.md says where that is shown.
_NOT_IN_A_CONTAINER = {
    "modules": "a container loads no kernel modules",
    "auditd": "the kernel's audit belongs to the host of the container",
    "timeSync": "a container's clock is that of its host",
    "updates": "a container's packages are those of its image, and its timers would load this machine",
}


def stack_settings(
    nodes: Sequence[Node],
    bundle: Path | None = None,
    parts: Iterable[str] | None = None,
    services: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of the sandbox's `Pulumi.<stack>.yaml`, without secrets.

    Args:
        nodes: The nodes, started; all of them servers.
        bundle: What everything is installed from.
        parts: Names of the bundle's parts that are installed, all by default.
        services: How the services are delivered, by Pulumi by default.
    """
    config: dict[str, Any] = {
        "nodes": [node_entry(node) for node in nodes],
        "preflight": {**machine(), "diskMib": 8192, "clockSynchronised": False},
        # Its own kernel, as far as sysctls go: what is not of the network namespace is a copy in each node.
        "hardening": {
            concern: {"enabled": False, "reason": reason} for concern, reason in _NOT_IN_A_CONTAINER.items()
        },
        "k3s": _k3s(),
    }
    if parts is not None:
        wanted = set(parts)
        config["platform"] = {
            to_camel(name.replace("-", "_")): {"enabled": name in wanted}
            for name in NAMES
            if (name in wanted) == (name in OPTIONAL)
        }
        if SERVICES not in wanted:
            services = {**(services or {}), "enabled": False}
    if services is not None:
        config["services"] = dict(services)
    if bundle is not None:
        config["bundle"] = str(bundle)
    return {"config": {f"{PROJECT}:{key}": value for key, value in config.items()}}


def installed_parts(settings: Mapping[str, Any]) -> set[str]:
    """Return the names of the bundle's parts that a stack's configuration switches on.

    Args:
        settings: What `stack_settings` returned; the usual parts are on where it is lost.
    """
    config = settings.get("config", {})
    platform = config.get(f"{PROJECT}:platform", {})
    given = {name: platform.get(to_camel(name.replace("-", "_")), {}) for name in NAMES}
    on = {name for name in NAMES if given[name].get("enabled", name not in OPTIONAL)}
    return on | ({SERVICES} if config.get(f"{PROJECT}:services", {}).get("enabled", True) else set())


def read(path: Path) -> dict[str, Any]:
    """Return a stack's configuration; nothing where there is none.

    Args:
        path: The file.
    """
    return (yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None) or {}


def machine() -> dict[str, int]:
    """Return what a node sees of this machine, which is what the services have room in."""
    told = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    memory = next(int(line.split()[1]) // 1024 for line in told if line.startswith("MemTotal:"))
    return {"vcpus": len(os.sched_getaffinity(0)), "memoryMib": memory}


def write(path: Path, settings: Mapping[str, Any]) -> None:
    """Write a stack's configuration in one step; what Pulumi itself keeps in the file stays.

    Args:
        path: The file.
        settings: What `stack_settings` returns.
    """
    kept = {key: value for key, value in read(path).items() if key != "config"}
    new = path.with_suffix(".new")
    new.write_text(yaml.safe_dump({**kept, **settings}, sort_keys=False), encoding="utf-8")
    new.replace(path)


def node_entry(node: Node) -> dict[str, Any]:
    """Return a node as an entry of `nodes`.

    Args:
        node: The node, started.
    """
    return {
        "name": node.name,
        "host": node.address,
        "port": node.port,
        "user": node.user,
        "privateKeyFile": str(node.private_key),
        "hostKey": node.host_key,
        "address": node.address,
    }


def _k3s() -> dict[str, Any]:
    template = Path(__file__).with_name("containerd.toml.tmpl").read_text(encoding="utf-8")
    return {
        # More than the machine's own limit cannot be asked for.
        "openFiles": 20000,
        "extraConfig": {
            # The kubelet may set its sysctls itself: in a node, kernel and vm are copies of its own.
            "protect-kernel-defaults": False,
            "flannel-cni-conf": _FLANNEL,
            "kubelet-arg": [
                "feature-gates=KubeletInUserNamespace=true",
                # The disk is this machine's: how full others have made it says nothing of the node. Images
                # that the kubelet deleted would not come back.
                "eviction-hard=memory.available<100Mi,nodefs.available<1%,imagefs.available<1%",
                "image-gc-high-threshold=100",
            ],
            "kube-proxy-arg": ["conntrack-max-per-core=0", "conntrack-min=0"],
        },
        "extraFiles": [
            {"path": _FLANNEL, "content": _flannel(), "mode": "0644"},
            {"path": _CONTAINERD, "content": template, "mode": "0644"},
        ],
    }


def _flannel() -> str:
    """Return K3s's CNI chain at version 0.4.0, the highest that the flannel plugin built here speaks."""
    chain = {
        "name": "cbr0",
        "cniVersion": "0.4.0",
        "plugins": [
            {
                "type": "flannel",
                "delegate": {"hairpinMode": True, "forceAddress": True, "isDefaultGateway": True},
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
            {"type": "bandwidth", "capabilities": {"bandwidth": True}},
        ],
    }
    return json.dumps(chain, indent=2) + "\n"
