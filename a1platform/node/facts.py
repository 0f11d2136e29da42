"""What a host answers about itself, parsed to typed values."""

from dataclasses import dataclass
from typing import Literal

from a1platform.node.shell import library

_ARCHITECTURES: dict[str, Literal["amd64", "arm64"]] = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class HostFacts:
    """Facts of a host, as read by `render_facts`.

    Attributes:
        kernel_name: `Linux`, or what `uname -s` says.
        kernel_release: Such as `6.1.0-28-amd64`.
        architecture: `amd64`, `arm64`, or the unknown machine name as it is.
        distribution: ID and version, such as `debian 12`.
        vcpus: Logical processors.
        memory_mib: Total memory in MiB.
        disk_mib: Free space for /var/lib in MiB.
        systemd: Whether systemd is the init system.
        clock_synchronised: Whether the clock is; None where the host cannot tell.
        sudo: Whether the script ran as root.
        other_kubernetes: Paths that another Kubernetes has left.
        k3s_data: Paths with data that a K3s would take for its own, where this program has put none.
        k3s_is_ours: Whether a K3s that this program installed is there.
        k3s_runs: Whether a K3s runs or is about to.
        other_firewalls: Firewalls that are switched on and know nothing of pods.
        listening: TCP ports with a listener.
        listening_local: Those of them that one on 127.0.0.1 could not have.
        listening_udp: UDP ports that are taken.
    """

    kernel_name: str
    kernel_release: str
    architecture: str
    distribution: str
    vcpus: int
    memory_mib: int
    disk_mib: int
    systemd: bool
    clock_synchronised: bool | None
    sudo: bool
    other_kubernetes: tuple[str, ...]
    k3s_data: tuple[str, ...]
    k3s_is_ours: bool
    k3s_runs: bool
    other_firewalls: tuple[str, ...]
    listening: tuple[int, ...]
    listening_local: tuple[int, ...]
    listening_udp: tuple[int, ...]


def render_facts() -> str:
    """Return the read-only script that prints the facts as key=value lines."""
    return f"{library('other_firewalls.sh')}{library('facts.sh')}"


def parse_facts(text: str) -> HostFacts:
    """Parse the answer of `render_facts`; other lines are passed over.

    Raises:
        ValueError: A fact is missing or is no number where one is expected.
    """
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    try:
        return HostFacts(
            kernel_name=values["kernel_name"],
            kernel_release=values["kernel_release"],
            architecture=_ARCHITECTURES.get(values["machine"], values["machine"]),
            distribution=values["distribution"].strip(),
            vcpus=int(values["vcpus"]),
            memory_mib=int(values["memory_mib"]),
            disk_mib=int(values["disk_mib"]),
            systemd=values["systemd"] == "yes",
            clock_synchronised={"yes": True, "no": False}.get(values["clock_synchronised"]),
            sudo=values["sudo"] == "yes",
            other_kubernetes=tuple(values["other_kubernetes"].split()),
            k3s_data=tuple(values["k3s_data"].split()),
            k3s_is_ours=values["k3s_is_ours"] == "yes",
            k3s_runs=values["k3s_runs"] == "yes",
            other_firewalls=tuple(values["other_firewalls"].split()),
            listening=_ports(values["listening"]),
            listening_local=_ports(values["listening_local"]),
            listening_udp=_ports(values["listening_udp"]),
        )
    except KeyError as error:
        raise ValueError(
            f"host facts: found no {error.args[0]!r}, expected the answer of the facts script"
        ) from None


def _ports(text: str) -> tuple[int, ...]:
    return tuple(int(port) for port in text.split())
