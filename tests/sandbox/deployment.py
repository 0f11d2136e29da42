"""A stack of a test's own that provisions a node by the real program."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a1platform import versions
from sandbox.bundle import add_k3s, make_bundle
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
    """A stack of the test's own and the node that it provisions."""

    stack: Stack
    node: Node
    bundle: Path

    def configure(self, change: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        """Write the configuration anew, with a change to it."""
        settings = stack_settings([self.node], self.bundle, parts=())
        change(settings["config"])
        assert self.stack.config
        write(self.stack.config, settings)

    def on_node(self, command: str) -> str:
        """Run a command as root on the node and return what it prints."""
        with self.node.connect() as client:
            _, output, _ = client.exec_command(f"sudo -n sh -c '{command}'", timeout=60)
            return output.read().decode().strip()


def deployment(cache: Cache, node: Node, state: Path) -> Deployment:
    """Return a configured stack of its own for a node that nothing has touched yet.

    Args:
        cache: Where the toolchain and the bundle are.
        node: The node, started.
        state: Folder for the stack's state.
    """
    environment = ensure(cache, to_terminal).environment(state)
    stack = Stack("test", environment, config=state / "Pulumi.test.yaml")
    made = Deployment(stack, node, cluster_bundle(cache))
    made.configure()
    stack.create()
    return made


def cluster_bundle(cache: Cache) -> Path:
    """Return a bundle that holds what the cluster itself needs."""
    folder = make_bundle(cache, to_terminal, ["system"])
    k3s = k3s_source(cache, to_terminal)
    add_k3s(folder, versions.K3S, k3s.path, k3s.origin)
    return folder
