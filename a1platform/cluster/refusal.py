"""What a cluster cannot do without its nodes that are gone, refused before another one is touched."""

from a1platform.cluster.k3s import first_server
from a1platform.settings.model import A1Settings
from a1platform.settings.together import Right

_DOWN = "or `make down`, which forgets what is gone and gives the others back"


def cluster_problems(right: Right) -> list[str]:
    """Return a line where what is gone of the nodes is more than the others can go on without.

    Args:
        right: What is right in the whole configuration.
    """
    settings: A1Settings = right.settings
    nodes = settings.nodes
    if settings.node_is_gone or not any(node.is_gone for node in nodes):
        return []
    if all(node.is_gone for node in nodes):
        return [
            "nodes: found isGone on every node, expected nodeIsGone: true and `make down`, which forgets all"
        ]
    first = first_server(nodes)
    if first.is_gone:
        found = f"nodes[{nodes.index(first)}].isGone: found true on the first server"
        why = "which the kubeconfig and every join go through"
        return [f"{found}, {why}, expected it to be there: restore the machine under its address, {_DOWN}"]
    servers = [node for node in nodes if node.role == "server"]
    left = sum(not server.is_gone for server in servers)
    if 2 * left > len(servers):
        return []
    found = f"nodes: found {left} of {len(servers)} servers left, expected more than half"
    return [f"{found}: etcd has lost its majority and takes no change; bring one back, {_DOWN}"]
