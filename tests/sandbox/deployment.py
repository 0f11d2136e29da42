"""A stack of a test's own that provisions a node by the real program."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a1platform import versions
from a1platform.cli.audit import Deviation, audit_node, declared
from a1platform.cli.stack_file import StackFile
from a1platform.naming import PROJECT
from sandbox.bundle import make_bundle
from sandbox.bundle_list import add_k3s
from sandbox.cache import Cache
from sandbox.k3s_source import k3s_source
from sandbox.node import Node
from sandbox.progress import to_terminal
from sandbox.pulumi import Stack
from sandbox.stack_settings import stack_settings, write
from sandbox.toolchain import ensure

UP = ("up", "--yes", "--skip-preview")
DESTROY = ("destroy", "--yes", "--skip-preview")


@dataclass(frozen=True)
class Deployment:
    """A stack of the test's own and the nodes that it provisions.

    Attributes:
        stack: The stack.
        node: The first node, a server.
        bundle: What everything is installed from.
        others: Further nodes.
    """

    stack: Stack
    node: Node
    bundle: Path
    others: tuple[Node, ...] = ()

    def configure(self, change: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        """Write the configuration anew, with a change to it."""
        settings = stack_settings([self.node, *self.others], self.bundle, parts=())
        change(settings["config"])
        assert self.stack.config
        write(self.stack.config, settings)

    def on_node(self, command: str, node: Node | None = None) -> str:
        """Run a command as root on a node, the first by default, and return what it prints."""
        with (node or self.node).connect() as client:
            _, output, _ = client.exec_command(f"sudo -n sh -c '{command}'", timeout=60)
            return output.read().decode().strip()

    def changed(self) -> list[str]:
        """Return the concerns for which the last hardening of the first node had anything to do.

        From the state, as the program lets Pulumi log no output of a command.
        """
        # With every secret in plain text, so nothing but the names of concerns leaves here.
        state = json.loads(self.stack.read("stack", "export", "--show-secrets"))
        name = f"::{self.node.name}-hardening"
        (said,) = (
            one["outputs"]["stdout"]["plaintext"]
            for one in state["deployment"]["resources"]
            if one["urn"].endswith(name)
        )
        rows = (line.split("\t") for line in json.loads(said).splitlines())
        return [row[1] for row in rows if row[0] == "changed"]


def deployment(cache: Cache, node: Node, state: Path, others: Sequence[Node] = ()) -> Deployment:
    """Return a configured stack of its own for nodes that nothing has touched yet.

    Args:
        cache: Where the toolchain and the bundle are.
        node: The first node, started.
        state: Folder for the stack's state.
        others: Further nodes, started.
    """
    environment = ensure(cache, to_terminal).environment(state)
    stack = Stack("test", environment, config=state / "Pulumi.test.yaml")
    made = Deployment(stack, node, cluster_bundle(cache), tuple(others))
    made.configure()
    stack.create()
    return made


def three_servers_and_an_agent(cache: Cache, start_node: Callable[[str], Node], state: Path) -> Deployment:
    """Return a configured stack for four nodes that nothing has touched yet, the last an agent.

    Args:
        cache: Where the toolchain and the bundle are.
        start_node: Starts a node of a name.
        state: Folder for the stack's state.
    """
    first, *others = (start_node(f"a{number}") for number in range(1, 5))
    made = deployment(cache, first, state, others)
    made.configure(lambda config: config[f"{PROJECT}:nodes"][3].update(role="agent"))
    return made


def all_concerns(config: dict[str, Any]) -> None:
    """Switch also on what the sandbox leaves out only because it would load the machine."""
    del config[f"{PROJECT}:hardening"]["updates"]


def audit(deployment: Deployment) -> tuple[Deviation, ...]:
    """Return what is not as declared on the first node."""
    assert deployment.stack.config
    wanted = declared(StackFile(deployment.stack.config))
    return audit_node(wanted.nodes[0], wanted)


def started_since(deployment: Deployment) -> str:
    """Return since when K3s, then sshd, runs on the first node, and as which process."""
    return deployment.on_node(
        "systemctl show k3s ssh --property ActiveEnterTimestampMonotonic,MainPID,NRestarts"
    )


def assert_repaired(deployment: Deployment, tamper: str, concern: str) -> None:
    """Change something on the first node: the audit names it, and `up` repairs it without restarting K3s."""
    started = started_since(deployment)
    deployment.on_node(tamper)
    assert concern in {deviation.concern for deviation in audit(deployment)}
    said = deployment.stack.read(*UP)
    assert "is not as declared" in said
    assert concern in said
    assert audit(deployment) == ()
    assert started_since(deployment).split("\n\n")[0] == started.split("\n\n")[0]
    deployment.stack.read(*UP, "--expect-no-changes")


def traces(deployment: Deployment, node: Node | None = None) -> dict[str, str]:
    """Return what an uninstall must not leave behind on a node, the first by default."""
    commands = {
        "mounts": 'cut -d" " -f2 /proc/self/mounts | sort',
        "links": "ls /sys/class/net | sort",
        "rules": 'iptables-save | grep -cE "KUBE|CNI|flannel" || true',
        "tables": "nft list tables | grep -w a1 || true",
        "units": (
            "(systemctl list-unit-files --no-legend; systemctl list-units --all --plain --no-legend) "
            '| cut -d" " -f1 | grep -E "k3s|a1-|kubepods" | sort -u || true'
        ),
        "processes": 'pgrep --list-name "k3s|containerd" | cut -d" " -f2 || true',
        "files": (
            "find /etc /usr/local /opt /root /home /var/lib/rancher /var/lib/kubelet /var/lib/cni "
            "/var/lib/a1 -xdev \\( -type f -o -type l \\) 2>/dev/null | sort"
        ),
    }
    return {name: deployment.on_node(command, node) for name, command in commands.items()}


def cluster_bundle(cache: Cache, *parts: str) -> Path:
    """Return a bundle that holds what the cluster itself needs, and parts."""
    folder = make_bundle(cache, to_terminal, ["system", *parts])
    k3s = k3s_source(cache, to_terminal)
    add_k3s(folder, versions.K3S, k3s.path, k3s.origin)
    return folder
