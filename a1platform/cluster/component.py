"""A K3s cluster on hardened nodes, and the one way to it."""

from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_command.remote import Command

from a1platform.bundle import BundleImage, BundleK3s
from a1platform.cluster import kubeconfig
from a1platform.cluster.config import TOKEN_FILE
from a1platform.cluster.k3s import BINARY, GROUP, first_server, k3s
from a1platform.naming import token
from a1platform.node.host_change import render_script
from a1platform.node.ssh import Upload, remote_files, remote_script
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import NodeSettings

_IMAGES = "/var/lib/rancher/k3s/agent/images"
_CLIENT_SECONDS = 60


@dataclass(frozen=True)
class K3sClusterArgs:
    """What a cluster is made of.

    Attributes:
        name: Name of the cluster in kubeconfigs; it never changes.
        nodes: The machines; the first server starts the cluster.
        settings: What K3s runs with.
        binary: K3s itself; without it each node downloads the release.
        images: What K3s needs to start, in a folder of its own; none where the registry is reached.
        node_is_gone: Set when the machines are lost, so that `destroy` only forgets them.
    """

    name: str
    nodes: tuple[NodeSettings, ...]
    settings: K3sSettings = field(default_factory=K3sSettings)
    binary: BundleK3s | None = None
    images: tuple[BundleImage, ...] = ()
    node_is_gone: bool = False


class K3sCluster(pulumi.ComponentResource):
    """A running cluster; destroying it takes everything in it along.

    Attributes:
        kubeconfig: For use from this machine; secret.
        version: The release that runs.
    """

    kubeconfig: pulumi.Output[str]
    version: pulumi.Output[str]

    provider: kubernetes.Provider
    """Every Kubernetes resource of the stack goes through it."""
    installed: Command
    """What is in the cluster is `deleted_with` this one."""

    def __init__(self, name: str, args: K3sClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the cluster.

        Args:
            name: Logical name.
            args: What it is made of.
            opts: Options; depend on the hardened nodes.
        """
        super().__init__(token("cluster", "K3sCluster"), name, None, opts)
        server = first_server(args.nodes)
        own = pulumi.ResourceOptions(parent=self, retain_on_delete=args.node_is_gone)
        self.installed = _install(f"{name}-{server.name}", args, server, own)
        inside = pulumi.ResourceOptions.merge(
            own, pulumi.ResourceOptions(depends_on=[self.installed], deleted_with=self.installed)
        )
        # Read again whenever the installation has run, since that may have made new certificates.
        read = remote_script(
            f"{name}-access",
            server,
            self.installed.create.apply(lambda installed: f"# after {installed}\n{kubeconfig.READ}"),
            opts=inside,
        )
        joined = _join(name, args, read.stdout.apply(kubeconfig.token), own, self.installed)
        self.kubeconfig = pulumi.Output.secret(
            read.stdout.apply(lambda text: kubeconfig.rewrite(text, server.host, args.name))
        )
        self.provider = kubernetes.Provider(
            f"{name}-provider",
            kubeconfig=self.kubeconfig,
            cluster_identifier=args.name,
            kube_client_settings=kubernetes.KubeClientSettingsArgs(
                timeout=_CLIENT_SECONDS, qps=50, burst=100
            ),
            opts=pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=joined)),
        )
        self.version = pulumi.Output.from_input(args.settings.version)
        self.register_outputs({"kubeconfig": self.kubeconfig, "version": self.version})


def _join(
    name: str,
    args: K3sClusterArgs,
    cluster_token: pulumi.Output[str],
    own: pulumi.ResourceOptions,
    first: Command,
) -> list[Command]:
    """Declare the other nodes: servers one by one, as etcd takes one learner at a time, then agents."""
    others = [node for node in args.nodes if node is not first_server(args.nodes)]
    servers: list[Command] = [first]
    agents: list[Command] = []
    for node in sorted(others, key=lambda node: node.role == "agent"):
        after = pulumi.ResourceOptions(depends_on=[servers[-1]])
        key = remote_script(
            f"{name}-{node.name}-token",
            node,
            cluster_token.apply(_render_token),
            opts=pulumi.ResourceOptions.merge(own, after),
        )
        before = pulumi.ResourceOptions(depends_on=[key, servers[-1]])
        joined = _install(f"{name}-{node.name}", args, node, pulumi.ResourceOptions.merge(own, before))
        (servers if node.role == "server" else agents).append(joined)
    return [*servers[1:], *agents]


def _render_token(cluster_token: str) -> str:
    return f"""umask 077
mkdir -p {Path(TOKEN_FILE).parent}
cat >{TOKEN_FILE}.new <<'A1_TOKEN'
{cluster_token}
A1_TOKEN
mv -fT {TOKEN_FILE}.new {TOKEN_FILE}"""


def _install(name: str, args: K3sClusterArgs, node: NodeSettings, opts: pulumi.ResourceOptions) -> Command:
    ready: list[pulumi.Resource] = []
    if args.binary is not None:
        upload = Upload(args.binary.path.name, args.binary.sha256, BINARY, "0755")
        ready.append(remote_files(f"{name}-binary", node, args.binary.path, [upload], opts=opts))
    if args.images:
        uploads = [
            Upload(image.path.name, image.sha256, f"{_IMAGES}/{image.path.name}") for image in args.images
        ]
        ready.append(remote_files(f"{name}-images", node, args.images[0].path.parent, uploads, opts=opts))
    change = k3s(args.settings, node, args.nodes, args.binary.sha256 if args.binary else None)
    return remote_script(
        f"{name}-k3s",
        node,
        render_script([change], GROUP),
        arguments="apply",
        delete_arguments="revert",
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=ready)),
    )
