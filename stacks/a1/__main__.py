"""The A1 platform, left to right: settings, nodes, cluster, platform, services, outputs."""

import pulumi

from a1platform.cluster.component import K3sCluster, K3sClusterArgs
from a1platform.node.component import HardenedNode, HardenedNodeArgs
from a1platform.settings.load import load
from a1platform.settings.node import peer_addresses

settings = load()
nodes = [
    HardenedNode(
        node.name,
        HardenedNodeArgs(node, settings.preflight, settings.hardening, peer_addresses(node, settings.nodes)),
    )
    for node in settings.nodes
]
cluster = K3sCluster(
    "cluster",
    K3sClusterArgs(name=f"a1-{pulumi.get_stack()}", nodes=settings.nodes, settings=settings.k3s),
    pulumi.ResourceOptions(depends_on=nodes),
)
pulumi.export("kubeconfig", cluster.kubeconfig)
