"""Which stack the commands act on: the one of configured machines, or the sandbox's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from a1platform.cli.stack_file import StackFile
from sandbox.cache import state_folder
from sandbox.node import Node
from sandbox.pulumi import REPOSITORY, Stack
from sandbox.stack_settings import stack_settings, write

PRODUCTION = "a1"
SANDBOX = "sandbox"
NODE = "a1"


def is_configured() -> bool:
    """Tell whether `Pulumi.a1.yaml` names a machine.

    Raises:
        StackFileError: What it names is refused.
    """
    return bool(StackFile(REPOSITORY / f"Pulumi.{PRODUCTION}.yaml").nodes())


def production(environment: Mapping[str, str]) -> Stack:
    """Return the stack of the configured machines."""
    return Stack(PRODUCTION, environment)


def sandbox(environment: Mapping[str, str]) -> Stack:
    """Return the sandbox's stack, whose configuration is made anew by every `make up`."""
    return Stack(SANDBOX, environment, config=_config_file())


def configure(node: Node, bundle: Path, parts: Sequence[str], services: Mapping[str, Any]) -> None:
    """Write the configuration of the sandbox's stack; what Pulumi itself keeps in it stays.

    Args:
        node: The node, started.
        bundle: What everything is installed from.
        parts: Names of its parts that are installed.
        services: How the services are delivered.
    """
    write(_config_file(), stack_settings([node], bundle, parts, services))


def forget() -> None:
    """Remove the sandbox's configuration."""
    _config_file().unlink(missing_ok=True)


def _config_file() -> Path:
    return state_folder() / f"Pulumi.{SANDBOX}.yaml"
