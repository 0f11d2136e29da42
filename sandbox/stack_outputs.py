"""What a stack tells of its cluster, as files that only their owner can read."""

import json
from collections.abc import Mapping
from pathlib import Path

from sandbox.cache import state_folder
from sandbox.pulumi import PulumiError


def kubeconfig_file(stack: str) -> Path:
    """Return where the kubeconfig of a stack's cluster is written.

    Args:
        stack: Name of the stack.
    """
    return state_folder() / f"kubeconfig-{stack}"


def write_kubeconfig(stack: str, outputs: Mapping[str, object]) -> Path:
    """Write the kubeconfig into a file that nobody else can read, and return its path.

    Args:
        stack: Name of the stack.
        outputs: What it tells.

    Raises:
        PulumiError: It has no cluster yet.
    """
    target = kubeconfig_file(stack)
    kubeconfig = outputs.get("kubeconfig")
    if not kubeconfig:
        raise PulumiError(
            f"found no kubeconfig in stack {stack}, expected a cluster: its `make up` has not come that "
            "far; run it again, and it says why"
        )
    new = target.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(str(kubeconfig), encoding="utf-8")
    new.replace(target)
    return target


def write_outputs(outputs: Mapping[str, object], folder: Path) -> Path:
    """Write what the smoke suite asks of a stack into a file that nobody else can read, and return its path.

    Args:
        outputs: What the stack tells.
        folder: Where the file is written.
    """
    path = folder / "outputs.json"
    path.touch(mode=0o600)
    asked = {key: value for key, value in outputs.items() if key != "kubeconfig"}
    path.write_text(json.dumps(asked), encoding="utf-8")
    return path
