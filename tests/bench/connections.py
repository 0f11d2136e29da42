"""How many SSH connections a run has opened."""

from sandbox.node import Node

_COUNT = "sudo -n sh -c 'journalctl --unit ssh | grep -c \"Accepted publickey\"'"


def connections(node: Node) -> int:
    """Return how many SSH connections a node has taken since its start, this one not counted.

    Args:
        node: The node, which nobody else has connected to.
    """
    with node.connect() as client:
        _, output, _ = client.exec_command(_COUNT, timeout=60)
        return int(output.read()) - 1
