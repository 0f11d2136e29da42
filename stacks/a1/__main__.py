"""The A1 platform, left to right: settings, nodes, cluster, platform, services, outputs."""

import gc
import signal

import pulumi

from a1platform.bundle import BundleError
from a1platform.bundle import load as load_bundle
from a1platform.cluster.component import K3sCluster, K3sClusterArgs
from a1platform.cluster.k3s import SYSTEM
from a1platform.node.component import HardenedNode, HardenedNodeArgs
from a1platform.node.drift import unwatched, watched
from a1platform.platform.selection import SERVICES, has_services, image_parts, services_report
from a1platform.refusal import problems
from a1platform.settings.load import holds_secret, load
from a1platform.settings.peers import peers
from a1platform.settings.placeholder import placeholder_nodes

# A run lives for seconds, in which there is little to collect: looking for it at its end alone takes 0.4 s.
gc.disable()
# Pulumi interrupts the program when a step has failed; a traceback would bury that step's error.
signal.signal(signal.SIGINT, signal.SIG_DFL)

settings = load(problems)
machines = settings.nodes or (placeholder_nodes() if pulumi.runtime.is_dry_run() else ())
if not machines:
    raise pulumi.RunError("no machine is configured: run `make up` for a sandbox node, or `a1 init HOST`")
watch = watched if settings.nodes and not settings.node_is_gone else unwatched
try:
    bundle = load_bundle(settings.bundle) if settings.bundle else None
    parts = image_parts(settings.platform, settings.services, bundle)
    if bundle:
        # Not all of it: another part may be damaged, or being made anew.
        bundle.verify((SYSTEM, *parts))
except BundleError as error:
    raise pulumi.RunError(str(error)) from None

nodes = [
    HardenedNode(
        node.name,
        HardenedNodeArgs(
            node,
            settings.preflight,
            settings.hardening,
            peers(node, machines),
            settings.k3s.inside,
            watch,
        ),
        pulumi.ResourceOptions(retain_on_delete=settings.node_is_gone),
    )
    for node in machines
]
cluster = K3sCluster(
    "cluster",
    K3sClusterArgs(
        name=f"a1-{pulumi.get_stack()}",
        nodes=machines,
        settings=settings.k3s,
        bundle=bundle,
        parts=parts,
        node_is_gone=settings.node_is_gone,
        watch=watch,
    ),
    pulumi.ResourceOptions(depends_on=nodes),
)

# The hosts have been asked what has drifted; while they answer, half a second of imports.
from a1platform.outputs import StackOutputs  # noqa: E402
from a1platform.platform.component import Platform, PlatformArgs  # noqa: E402
from a1platform.platform.recovery import on_server  # noqa: E402
from a1platform.services.component import McpServices, McpServicesArgs  # noqa: E402
from a1platform.services.credentials import Credentials  # noqa: E402
from a1platform.services.image import with_image_of  # noqa: E402
from a1platform.services.model import Capabilities  # noqa: E402
from a1platform.services.resolve import NAMESPACE, accounts_with_token  # noqa: E402

inside = pulumi.ResourceOptions(provider=cluster.provider, deleted_with=cluster.installed)
credentials = Credentials("credentials")
platform = Platform(
    "platform",
    PlatformArgs(
        settings=settings.platform,
        policies=settings.policies,
        access=settings.access,
        namespaces=(NAMESPACE,),
        accounts_with_token=accounts_with_token(),
        secrets=credentials.content,
        secret=holds_secret("platform"),
        repository=settings.services.gitops.repo_url,
        bundle=bundle,
        images=cluster.images,
        on_server=on_server(cluster.server),
    ),
    inside,
)
services = (
    McpServices(
        "services",
        McpServicesArgs(
            with_image_of(bundle, settings.services),
            Capabilities(platform.has_keda, platform.has_monitoring, platform.has_tracing),
            after=[*platform.services_need, *cluster.images.get(SERVICES, ())],
            on_server=on_server(cluster.server),
        ),
        inside,
    )
    if has_services(settings.platform, settings.services, bundle)
    else None
)
told = services_report(settings.platform, settings.services, bundle)
if not services:
    # As on a move to another delivery, no object of them is deleted with its declaration.
    pulumi.log.info(f"{SERVICES}: {told}; those of an earlier run stay (docs/services.md)")
StackOutputs(
    kubeconfig=cluster.kubeconfig,
    k3s_version=cluster.version,
    parts=platform.parts.apply(lambda others: {**others, SERVICES: told}),
    services=services.names if services else (),
    gateway_url=services.gateway_url if services else "",
    api_key=credentials.api_key,
    grafana_password=platform.grafana_password,
).export()
gc.freeze()
