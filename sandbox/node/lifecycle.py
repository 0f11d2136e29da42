"""Start, stop, reboot and list sandbox nodes: Debian 12 machines, reached over SSH as any other."""

import contextlib
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import paramiko

from sandbox.cache import Cache, state_folder
from sandbox.engine import Engine, EngineError
from sandbox.node.container import VOLUMES, Identity, create
from sandbox.node.image import USER, ensure_image
from sandbox.node.keys import key_pair
from sandbox.node.network import ensure_network, free_address
from sandbox.progress import Progress, step

GROUP = "main"
_READY_WITHIN_SECONDS = 90
# One is a reboot that the node was told from inside.
_RESTARTS = 2
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")


KERNEL = (
    "the node's kernel is this machine's: kernel, vm and fs sysctls set in a node are its own copy and "
    "change nothing in the kernel, modules cannot be loaded, auditd cannot run"
)


class NodeError(RuntimeError):
    """A node did not do what was asked; the text names it and says what was seen."""


@dataclass(frozen=True)
class Node:
    """A machine that answers on SSH, in the terms in which a stack's configuration names one.

    Attributes:
        name: Its name, also its host name.
        address: IPv4 address that this machine reaches it by; a reboot keeps it.
        port: Port of sshd.
        user: Its user, who may run everything by sudo without a password.
        private_key: File of the user's private key, mode 0600.
        host_key: The host's public key as in authorized_keys, to be pinned.
    """

    name: str
    address: str
    port: int
    user: str
    private_key: Path
    host_key: str

    def connect(self, timeout: float = 10) -> paramiko.SSHClient:
        """Open an SSH connection that accepts the pinned host key only; close it by `with`.

        Args:
            timeout: Seconds for each of connecting, the banner and authentication.

        Raises:
            paramiko.BadHostKeyException: Another host answers at this address.
            OSError: Nothing answers.
        """
        kind, encoded = self.host_key.split()[:2]
        # paramiko looks a host on another port than 22 up in this form.
        known = self.address if self.port == 22 else f"[{self.address}]:{self.port}"  # noqa: PLR2004
        client = paramiko.SSHClient()
        entry = paramiko.hostkeys.HostKeyEntry.from_line(f"{known} {kind} {encoded}")
        if entry is None or entry.key is None:
            raise NodeError(f"host key of node {self.name} is not a public key: {self.host_key}")
        client.get_host_keys().add(known, kind, entry.key)
        client.connect(
            self.address,
            port=self.port,
            username=self.user,
            key_filename=str(self.private_key),
            allow_agent=False,
            look_for_keys=False,
            timeout=timeout,
            banner_timeout=timeout,
            auth_timeout=timeout,
        )
        return client


def start(engine: Engine, cache: Cache, name: str, progress: Progress, group: str = GROUP) -> Node:
    """Start a node, or the one of this name again, and wait until it can be used.

    Args:
        engine: Where its container runs.
        cache: Where its image is kept.
        name: Name of the node: lower-case letters, digits and dashes.
        progress: Takes a line per step.
        group: Nodes of one group are listed and stopped together.

    Returns:
        The node, whose sshd has answered with its pinned key and whose systemd has finished its start.

    Raises:
        NodeError: The name is no host name, or the node is not ready in time.
        EngineError: The engine refused.
    """
    if not _NAME.fullmatch(name):
        raise NodeError(f"node name {name!r}: expected lower-case letters, digits and dashes, at most 32")
    image = ensure_image(engine, cache, progress)
    with step(progress, f"starting node {name}"):
        container = _container(name, group)
        with cache.lock("nodes"):
            if not engine.run("ps", "--all", "--quiet", "--filter", f"name=^{container}$"):
                _create(engine, image, container, name, group)
        engine.run("start", container)
        node = _node(name, group, _address(engine, container))
        _await_ready(engine, container, node)
    return node


def stop(engine: Engine, name: str, group: str = GROUP) -> None:
    """Remove a node with its volumes and keys; one that is not there is no error."""
    container = _container(name, group)
    if engine.run("ps", "--all", "--quiet", "--filter", f"name=^{container}$"):
        engine.run("rm", "--force", "--volumes", container)
    _remove_volumes(engine, container)
    keys = _keys(name, group)
    shutil.rmtree(keys, ignore_errors=True)
    # The group's last node takes the group's folder along.
    with contextlib.suppress(OSError):
        keys.parent.rmdir()


def reboot(engine: Engine, name: str, group: str = GROUP) -> Node:
    """Restart a node as a machine restarts: systemd ends everything, its disk and address stay.

    Raises:
        NodeError: It is not ready again in time.
        EngineError: There is no such node.
    """
    container = _container(name, group)
    engine.run("restart", "--time", "30", container)
    node = _node(name, group, _address(engine, container))
    _await_ready(engine, container, node)
    return node


def nodes(engine: Engine, group: str = GROUP) -> list[Node]:
    """Return the nodes of a group, running or not, by name."""
    wanted = ("--filter", "label=a1.sandbox=node", "--filter", f"label=a1.group={group}")
    row = '{{.Label "a1.node"}} {{.Label "a1.address"}}'
    found = sorted(line.split() for line in engine.run("ps", "--all", *wanted, "--format", row).splitlines())
    return [_node(name, group, address) for name, address in found]


def _container(name: str, group: str) -> str:
    return f"a1-sandbox-{name}" if group == GROUP else f"a1-sandbox-{group}.{name}"


def _keys(name: str, group: str) -> Path:
    return state_folder() / "nodes" / group / name


def _remove_volumes(engine: Engine, container: str) -> None:
    there = engine.run("volume", "ls", "--quiet", "--filter", f"name={container}-").split()
    volumes = [volume for role in VOLUMES if (volume := f"{container}-{role}") in there]
    if volumes:
        engine.run("volume", "rm", *volumes)


def _create(engine: Engine, image: str, container: str, name: str, group: str) -> None:
    # Of a node whose container somebody removed: a new machine has no data of an old one.
    _remove_volumes(engine, container)
    addresses = engine.run(
        *("ps", "--all", "--filter", "label=a1.sandbox=node", "--format", '{{.Label "a1.address"}}')
    )
    address = free_address(ensure_network(engine), addresses.split())
    keys = _keys(name, group)
    login, host = key_pair(keys / "id_ed25519"), key_pair(keys / "host_ed25519")
    create(engine, image, Identity(container, name, group, address, login, host))


def _address(engine: Engine, container: str) -> str:
    return engine.run("inspect", "--format", '{{index .Config.Labels "a1.address"}}', container)


def _node(name: str, group: str, address: str) -> Node:
    keys = _keys(name, group)
    return Node(name, address, 22, USER, keys / "id_ed25519", key_pair(keys / "host_ed25519").public)


def _await_ready(engine: Engine, container: str, node: Node) -> None:
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    restarted = int(engine.run("inspect", "--format", "{{.RestartCount}}", container))
    seen = "nothing answered"
    while time.monotonic() < deadline:
        try:
            with node.connect() as client:
                _, answer, _ = client.exec_command(
                    "systemctl is-system-running --wait", timeout=_READY_WITHIN_SECONDS
                )
                seen = f"systemd says {answer.read().decode().strip()}"
        except paramiko.BadHostKeyException as error:
            raise NodeError(f"node {node.name}: another host answers at {node.address}") from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            seen = str(error) or type(error).__name__
        if seen in {"systemd says running", "systemd says degraded"}:
            return
        status, restarts = engine.run(
            "inspect", "--format", "{{.State.Status}} {{.RestartCount}}", container
        ).split()
        if status == "exited" or int(restarts) > restarted + _RESTARTS:
            raise NodeError(f"node {node.name} ended at its start: {_last_words(engine, container)}")
        time.sleep(0.1)
    raise NodeError(f"node {node.name} was not ready within {_READY_WITHIN_SECONDS} s: {seen}")


def _last_words(engine: Engine, container: str) -> str:
    with contextlib.suppress(EngineError):
        return engine.run("logs", "--tail", "5", container)
    return "no output"
