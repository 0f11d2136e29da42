"""Settings of the hosts: how to reach them, what they must have, how they are hardened."""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from pydantic import AfterValidator, Field, ValidationInfo

from a1platform.naming import is_dns_label
from a1platform.settings.base import Settings
from a1platform.settings.log_endpoint import LogEndpointSettings
from a1platform.settings.ranges import Address, Host, Range, as_address
from a1platform.settings.shown import shown
from a1platform.settings.together import Problem

_HOST_KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)
_OPENSSH_MAGIC = b"openssh-key-v1\0"
_OPENSSH_BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----"
READ_KEYS: Mapping[str, bool] = {"read keys": True}
"""Context of a validation that comes before a connection: only then a private key has to be there."""


def fingerprint(host_key: str) -> str:
    """Return the SHA256 fingerprint of a public key, as `ssh-keygen -l` prints it.

    Args:
        host_key: A key in authorized_keys format.
    """
    digest = hashlib.sha256(base64.b64decode(host_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _host_key(text: str) -> str:
    expected = (
        "expected one key in authorized_keys format, such as 'ssh-ed25519 AAAA...' (`a1 init` reads it)"
    )
    words = text.split()
    if "\n" in text.strip() or len(words) not in {2, 3} or words[0] not in _HOST_KEY_TYPES:
        raise ValueError(f"found {shown(text)}, {expected}")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        raise ValueError(f"found a {words[0]} key that is not base64, {expected}") from None
    length = int.from_bytes(blob[:4], "big")
    if blob[4 : 4 + length] != words[0].encode() or len(blob) <= 4 + length:
        raise ValueError(f"found key data that is not of type {words[0]}, {expected}")
    try:
        load_ssh_public_key(f"{words[0]} {words[1]}".encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"found a damaged {words[0]} key, {expected}") from None
    return f"{words[0]} {words[1]}"


def _private_key_file(path: Path, info: ValidationInfo) -> Path:
    if not path.is_absolute() and not str(path).startswith("~"):
        raise ValueError(f"found {shown(str(path))}, expected an absolute path or one that starts with ~")
    if info.context == READ_KEYS:
        private_key(path)
    # As it is written: what `~` is depends on who runs the program.
    return path


def private_key(path: Path) -> str:
    """Return the text of a private key.

    Args:
        path: As it stands in the configuration; `~` is the home of whoever runs the program.

    Raises:
        ValueError: It is no readable private key without a passphrase; the text says what was found.
    """
    try:
        text = path.expanduser().read_text(encoding="ascii")
    except OSError as error:
        raise ValueError(
            f"found {shown(str(path))} ({error.strerror}), expected a readable private key file"
        ) from None
    except RuntimeError:
        raise ValueError(
            f"found {shown(str(path))} of a user who is unknown here, expected ~/ or ~user/"
        ) from None
    # No text, or a zero byte in the path.
    except ValueError:
        text = ""
    if "PRIVATE KEY-----" not in text:
        raise ValueError(
            f"found {shown(str(path))} without a private key, expected an OpenSSH or PEM private key file"
        )
    if _is_encrypted(text):
        raise ValueError(
            f"found {shown(str(path))} with a passphrase, expected a key without one: `up` cannot ask for it"
        )
    return text


def _is_encrypted(text: str) -> bool:
    if _OPENSSH_BEGIN not in text:
        return "ENCRYPTED" in text
    body = "".join(line for line in text.split(_OPENSSH_BEGIN)[1].splitlines() if not line.startswith("-"))
    try:
        data = base64.b64decode(body).removeprefix(_OPENSSH_MAGIC)
    except binascii.Error:
        return False
    return data[4 : 4 + int.from_bytes(data[:4], "big")] != b"none"


def _dns_label(text: str) -> str:
    if not is_dns_label(text):
        raise ValueError(
            f"found {shown(text)}, expected at most 63 lower-case letters, digits and inner dashes"
        )
    return text


HostKey = Annotated[str, AfterValidator(_host_key)]
"""A pinned host key, `type base64`, its comment dropped."""
SshKeyFile = Annotated[Path, AfterValidator(_private_key_file)]
"""A private key without a passphrase; it is read only when something connects."""
TimeServer = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]+$", examples=["ntp.example.org"])]
Role = Literal["server", "agent"]
Port = Annotated[int, Field(ge=1, le=65535)]


class NodeSettings(Settings):
    """One host and its part in the cluster.

    Attributes:
        name: Name of the node in Kubernetes.
        host: Name or address that SSH connects to.
        port: Port that SSH connects to; behind a port forward not the one that sshd listens on.
        user: Login user: root, or one that may `sudo` without a password.
        private_key_file: The user's private key on the machine that connects; a preview does not need it.
        host_key: The host's public key; a host that shows another one is refused.
        role: Whether the node runs the control plane.
        address: IPv4 address that other nodes reach it by; K3s finds it itself where it is left out.
        is_gone: Set when this machine is lost for good and others of the cluster go on: nothing connects to
            it any more, and once its entry is taken out, it is forgotten.
    """

    name: Annotated[str, AfterValidator(_dns_label)]
    host: Host
    port: Port = 22
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]*$", examples=["root"])] = "root"
    private_key_file: SshKeyFile
    host_key: HostKey
    role: Role = "server"
    address: Address | None = None
    is_gone: bool = False


def own_address(node: NodeSettings) -> str | None:
    """Return the address that other nodes reach a node by, or None where only a host name is known."""
    return node.address or as_address(node.host)


class PreflightSettings(Settings):
    """What a host must have before anything on it is changed.

    Attributes:
        vcpus: Logical processors.
        memory_mib: Memory in MiB; 16 GB of memory modules show as somewhat less.
        disk_mib: Free space for /var/lib in MiB; at most 2048 where our own K3s is already, as it fills it.
        clock_synchronised: Whether the host must report a synchronised clock.
    """

    vcpus: Annotated[int, Field(ge=1)] = 8
    memory_mib: Annotated[int, Field(ge=512)] = 15000
    disk_mib: Annotated[int, Field(ge=1024)] = 40_000
    clock_synchronised: bool = True


class ConcernSettings(Settings):
    """A concern of the hardening, on unless a reason says why not.

    Attributes:
        enabled: Whether the concern is applied; switched off, an earlier application is reverted.
        reason: Why it is off.
    """

    enabled: bool = True
    reason: str = ""

    def between(self, given: object) -> Iterator[Problem]:
        """Return where nobody says why a concern is off."""
        yield from super().between(given)
        if not self.enabled and not self.reason.strip():
            text = "found enabled: false without a reason, expected reason: <why this concern is off>"
            yield Problem((), text, (("enabled",), ("reason",)))


KUBELET_PARAMETERS = (
    "vm.panic_on_oom",
    "vm.overcommit_memory",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.keys.root_maxkeys",
    "kernel.keys.root_maxbytes",
)
"""Kernel parameters without whose values a kubelet under protect-kernel-defaults does not start."""


class SysctlSettings(ConcernSettings):
    """Kernel parameters.

    Attributes:
        skip: Keys to leave alone, each with its reason.
    """

    skip: dict[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)


class FirewallSettings(ConcernSettings):
    """Who may reach what; everything else that arrives at the host is dropped.

    Attributes:
        ssh_port: Port that sshd listens on, on the host itself.
        admin_ranges: Who may reach SSH and the Kubernetes API.
        web_ranges: Who may reach 80 and 443, and any other port that pods publish (ServiceLB, hostPort).
        node_port_ranges: Who may reach NodePorts (30000-32767); nobody by default.
        confirm_seconds: How long new rules stay until they are taken back, unless the run's next connection
            has confirmed them.
    """

    ssh_port: Port = 22
    admin_ranges: Annotated[tuple[Range, ...], Field(min_length=1)] = ("0.0.0.0/0", "::/0")
    web_ranges: tuple[Range, ...] = ("0.0.0.0/0", "::/0")
    node_port_ranges: tuple[Range, ...] = ()
    confirm_seconds: Annotated[int, Field(ge=20, le=3600)] = 90


class TimeSyncSettings(ConcernSettings):
    """The clock.

    Attributes:
        servers: NTP servers that systemd-timesyncd asks; the distribution's own by default.
    """

    servers: tuple[TimeServer, ...] = ()


class UpdatesSettings(ConcernSettings):
    """Security updates that the host installs by itself.

    Attributes:
        hold_back: Packages that are left alone, beside those whose upgrade restarts the network.
    """

    hold_back: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]+$", examples=["openssl"])], ...] = ()


class HardeningSettings(Settings):
    """How hosts are hardened.

    Attributes:
        kernel: `own` where the host has a kernel of its own; `shared` in a container, where only what belongs
            to the container's network namespace may be set.
        sysctl: Kernel parameters.
        modules: Kernel modules that are loaded at boot or never.
        auditd: The record of who did what on the host.
        time_sync: The clock.
        updates: Security updates.
        integrity: The weekly comparison of installed files with their packages.
        login: What sessions of people leave open or behind.
        sshd: The SSH server.
        firewall: Packet filter on what arrives.
        log_endpoint: Where the audit logs are sent, beside being kept; nowhere by default.
    """

    kernel: Literal["own", "shared"] = "own"
    sysctl: SysctlSettings = SysctlSettings()
    modules: ConcernSettings = ConcernSettings()
    auditd: ConcernSettings = ConcernSettings()
    time_sync: TimeSyncSettings = TimeSyncSettings()
    updates: UpdatesSettings = UpdatesSettings()
    integrity: ConcernSettings = ConcernSettings()
    login: ConcernSettings = ConcernSettings()
    sshd: ConcernSettings = ConcernSettings()
    firewall: FirewallSettings = FirewallSettings()
    log_endpoint: LogEndpointSettings | None = None
