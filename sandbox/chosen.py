"""Which stack the commands act on: the one of configured machines, or the sandbox's."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from a1platform.bundle import Bundle
from a1platform.cli.stack_file import StackFile, StackFileError
from a1platform.naming import PRODUCTION, PROJECT
from a1platform.node.connection import user_key
from a1platform.settings.node import NodeSettings
from sandbox.cache import state_folder
from sandbox.node import Node
from sandbox.pulumi import REPOSITORY, Stack, state_file
from sandbox.stack_settings import installed_parts, read, stack_settings, write

SANDBOX = "sandbox"
NODE = "a1"


def is_configured(*, connects: bool = False, destroys: bool = False) -> bool:
    """Tell whether `Pulumi.a1.yaml` names a machine, and `$A1_SANDBOX` does not ask for the sandbox.

    The whole file is checked first: a mistake in it must not make a sandbox of somebody's machine.

    Args:
        connects: Whether something connects to the machines, so that their private keys must be there.
        destroys: Whether it is only chosen what is destroyed, for which the bundle may be gone as well.

    Raises:
        StackFileError: Something in the file is refused.
    """
    if is_asked_for():
        return False
    file = _production_file()
    file.check(connects=connects, destroys=destroys, without=("bundle",) if destroys else ())
    nodes = file.nodes()
    if connects and (damaged := list(_damaged_keys(nodes))):
        raise StackFileError("\n".join((f"{file.path}:", *damaged)))
    return bool(nodes)


def _damaged_keys(nodes: Sequence[NodeSettings]) -> Iterator[str]:
    """Yield a line for each private key that is one by its looks only; a run would find it in its middle."""
    for index, node in enumerate(nodes):
        try:
            user_key(node.private_key_file)
        except ValueError as error:
            yield f"{PROJECT}:nodes[{index}].privateKeyFile: {error}"


def lost() -> tuple[str, ...]:
    """Return the names of the configured machines that are gone while others go on."""
    return tuple(node.name for node in _production_file().nodes() if node.is_gone)


def bundle(*, destroys: bool = False) -> Bundle | None:
    """Return the bundle that `Pulumi.a1.yaml` names; none for a sandbox that is asked for in its place.

    Args:
        destroys: Whether it may be gone.

    Raises:
        StackFileError: It cannot be used.
    """
    try:
        return None if is_asked_for() else _production_file().bundle()
    except StackFileError:
        if destroys:
            return None
        raise


def is_asked_for() -> bool:
    """Tell whether the sandbox is wanted even where machines are configured, as in continuous integration."""
    return os.environ.get("A1_SANDBOX", "0") not in {"", "0"}


def idle() -> str:
    """Return a line on what `Pulumi.a1.yaml` says and the sandbox does not follow, empty for nothing."""
    keys = [key for key in _production_file().keys() if key != "nodes"]  # noqa: SIM118 - no mapping
    name = f"Pulumi.{PRODUCTION}.yaml"
    verb = "does not apply: it is" if len(keys) == 1 else "do not apply: they are"
    return f"{' and '.join(keys)} of {name} {verb} for machines of your own" if keys else ""


def left_alone(*, configured: bool) -> str:
    """Return a line on the stack that a command does not act on and that is there all the same, or nothing.

    Args:
        configured: Whether the command acts on configured machines.
    """
    if configured:
        there = has_state(SANDBOX)
        return "a sandbox is there too: `A1_SANDBOX=1 make down` takes it away" if there else ""
    if is_asked_for() or not has_state(PRODUCTION):
        return ""
    return (
        f"stack {PRODUCTION} is still there, and Pulumi.{PRODUCTION}.yaml no longer names its machines: name "
        "them again to change or to destroy what is on them"
    )


def production(environment: Mapping[str, str]) -> Stack:
    """Return the stack of the configured machines."""
    return Stack(PRODUCTION, environment)


def sandbox(environment: Mapping[str, str]) -> Stack:
    """Return the sandbox's stack, whose configuration is made anew by every `make up`."""
    return Stack(SANDBOX, environment, config=_config_file())


def stack_name(*, configured: bool) -> str:
    """Return the name of the stack that the commands act on.

    Args:
        configured: Whether machines are configured.
    """
    return PRODUCTION if configured else SANDBOX


def has_state(name: str) -> bool:
    """Tell whether the backend may know a stack, without asking Pulumi.

    Args:
        name: Name of the stack.
    """
    file = state_file(state_folder() / "stacks", name)
    return any(file.with_name(f"{file.name}{packed}").exists() for packed in ("", ".gz"))


def configure(node: Node, bundle: Path, parts: Sequence[str], services: Mapping[str, Any]) -> None:
    """Write the configuration of the sandbox's stack; what Pulumi itself keeps in it stays.

    Args:
        node: The node, started.
        bundle: What everything is installed from.
        parts: Names of its parts that are installed.
        services: How the services are delivered.
    """
    write(_config_file(), stack_settings([node], bundle, parts, services))


def installed() -> set[str]:
    """Return the names of the bundle's parts that the last run was to install on the sandbox."""
    return installed_parts(read(_config_file()))


def copy_configuration(stack: Stack, folder: Path) -> Path:
    """Write what a stack is configured with into a folder, without secrets, and return the file.

    A preview from nothing is nobody's in particular: it must neither need the passphrase that the secrets
    were encrypted with, nor write the salt of another one into the stack's own file.
    """
    path = folder / f"Pulumi.{stack.name}.yaml"
    own = _production_file() if stack.config is None else StackFile(stack.config)
    path.write_text(own.without_secrets(), encoding="utf-8")
    return path


def forget() -> None:
    """Remove the sandbox's configuration."""
    _config_file().unlink(missing_ok=True)


def _production_file() -> StackFile:
    return StackFile(REPOSITORY / f"Pulumi.{PRODUCTION}.yaml")


def _config_file() -> Path:
    return state_folder() / f"Pulumi.{SANDBOX}.yaml"
