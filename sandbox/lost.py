"""What of a stack's state is on which machine: needed when one is lost while others go on."""

import re

from a1platform.naming import token

_HARDENED = token("node", "HardenedNode")
_COMMAND = "$command:remote:Command::"
_NODE = re.escape(_HARDENED + _COMMAND)
_CLUSTER = re.escape(token("cluster", "K3sCluster") + _COMMAND + "cluster-")
_MACHINE = re.compile(f'{re.escape(_HARDENED)}::([^"]+)"')


def machines(state: str) -> frozenset[str]:
    """Return the names of the nodes that a state knows.

    Args:
        state: The state as it is kept.
    """
    return frozenset(_MACHINE.findall(state))


def belongs(urn: str, node: str) -> bool:
    """Tell whether deleting a resource would connect to a machine.

    Args:
        urn: The resource's.
        node: Name of the machine's node.
    """
    # No dash at the end: what is on `a1-b` is not on `a1`.
    return re.search(f"(?:{_NODE}|{_CLUSTER}){re.escape(node)}-[a-z0-9]+$", urn) is not None
