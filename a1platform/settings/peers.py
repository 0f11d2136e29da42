"""Which of the cluster's other nodes a node lets in, and where to."""

from collections.abc import Iterable
from dataclasses import dataclass

from a1platform.settings.node import NodeSettings, own_address


@dataclass(frozen=True)
class Peers:
    """Addresses of a node's peers, for its firewall.

    Attributes:
        nodes: Of the cluster's other nodes.
        servers: Of those that its etcd talks to; none for an agent, which has no etcd.
    """

    nodes: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()


ALONE = Peers()
"""Of a node that has none."""


def peers(node: NodeSettings, nodes: tuple[NodeSettings, ...]) -> Peers:
    """Return a node's peers; one of which only a host name is known is passed over."""
    others = [other for other in nodes if other.name != node.name]
    servers = [other for other in others if node.role == other.role == "server"]
    return Peers(_addresses(others), _addresses(servers))


def _addresses(nodes: Iterable[NodeSettings]) -> tuple[str, ...]:
    found = (own_address(node) for node in nodes)
    return tuple(sorted(address for address in found if address is not None))
