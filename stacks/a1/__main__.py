"""The A1 platform, left to right: settings, nodes, cluster, platform, services, outputs."""

import pulumi

from a1platform.bundle import load as load_bundle
from a1platform.cluster.component import K3sCluster, K3sClusterArgs
from a1platform.node.component import HardenedNode, HardenedNodeArgs
from a1platform.settings.load import load
from a1platform.settings.node import peer_addresses
from a1platform.settings.placeholder import placeholder_nodes

settings = load()
machines = settings.nodes or (placeholder_nodes() if pulumi.runtime.is_dry_run() else ())
if not machines:
    raise pulumi.RunError("no machine is configured: run `make up` for a sandbox node, or `a1 init HOST`")
nodes = [
    HardenedNode(
        node.name,
        HardenedNodeArgs(node, settings.preflight, settings.hardening, peer_addresses(node, machines)),
    )
    for node in machines
]
bundle = load_bundle(settings.bundle) if settings.bundle else None
if bundle:
    bundle.verify()
cluster = K3sCluster(
    "cluster",
    K3sClusterArgs(
        name=f"a1-{pulumi.get_stack()}",
        nodes=machines,
        settings=settings.k3s,
        binary=bundle.k3s if bundle else None,
        images=bundle.part("system").images if bundle else (),
        node_is_gone=settings.node_is_gone,
    ),
    pulumi.ResourceOptions(depends_on=nodes),
)
pulumi.export("kubeconfig", cluster.kubeconfig)
