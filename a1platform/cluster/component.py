"""A K3s cluster on hardened nodes, and the one way to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_command.remote import Command

from a1platform.bundle import Bundle
from a1platform.cluster import kubeconfig
from a1platform.cluster.config import TOKEN_FILE
from a1platform.cluster.images import copy_images, import_images
from a1platform.cluster.k3s import (
    BINARY,
    BINARY_CONCERN,
    GROUP,
    IMAGES_CONCERN,
    SYSTEM,
    first_server,
    k3s,
    system_images,
)
from a1platform.naming import token
from a1platform.node.drift import HostState, Watch, unwatched
from a1platform.node.host_change import HostChange, render_script
from a1platform.node.ssh import remote_files, remote_script
from a1platform.node.upload import Upload
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import NodeSettings

_CLIENT_SECONDS = 60


@dataclass(frozen=True)
class K3sClusterArgs:
    """What a cluster is made of.

    Attributes:
        name: Name of the cluster in kubeconfigs; it never changes.
        nodes: The machines; the first server starts the cluster.
        settings: What K3s runs with.
        bundle: K3s and all images; without it each node downloads the release and pulls images.
        parts: Parts of the bundle whose images the nodes need, those first that take longest to install.
        node_is_gone: Set when the machines are lost, so that `destroy` only forgets them.
        watch: How the program learns whether K3s on a node has drifted.
    """

    name: str
    nodes: tuple[NodeSettings, ...]
    settings: K3sSettings = field(default_factory=K3sSettings)
    bundle: Bundle | None = None
    parts: Sequence[str] = ()
    node_is_gone: bool = False
    watch: Watch = unwatched


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
    images: Mapping[str, Sequence[pulumi.Resource]]
    """What has brought a part's images to every node, by part; empty without a bundle."""
    server: NodeSettings
    """The server that started the cluster."""

    def __init__(self, name: str, args: K3sClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the cluster.

        Args:
            name: Logical name.
            args: What it is made of.
            opts: Options; depend on the hardened nodes.
        """
        super().__init__(token("cluster", "K3sCluster"), name, None, opts)
        self.server = server = first_server(args.nodes)
        own = pulumi.ResourceOptions(parent=self, retain_on_delete=args.node_is_gone)
        first = _install(f"{name}-{server.name}", args, _plan(args, server), own)
        self.installed = first.installed
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
        joined = _join(name, args, read.stdout.apply(kubeconfig.token), own, first.answers)
        nodes = {server.name: first, **joined}
        self.images = _images(args, {node: one.installed for node, one in nodes.items()}, own)
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
            opts=pulumi.ResourceOptions.merge(
                inside, pulumi.ResourceOptions(depends_on=[one.answers for one in nodes.values()])
            ),
        )
        self.version = pulumi.Output.from_input(args.settings.version)
        self.register_outputs({"kubeconfig": self.kubeconfig, "version": self.version})


@dataclass(frozen=True)
class _K3s:
    """K3s on one node: what it takes to send images there, and what it takes to use it."""

    installed: Command
    answers: Command


def _join(
    name: str,
    args: K3sClusterArgs,
    cluster_token: pulumi.Output[str],
    own: pulumi.ResourceOptions,
    first: Command,
) -> dict[str, _K3s]:
    """Declare the other nodes: servers one by one, as etcd takes one learner at a time, then agents."""
    others = [node for node in args.nodes if node is not first_server(args.nodes)]
    last = first
    joined: dict[str, _K3s] = {}
    for node in sorted(others, key=lambda node: node.role == "agent"):
        plan = _plan(args, node)
        key = remote_script(
            f"{name}-{node.name}-token",
            node,
            pulumi.Output.all(cluster_token, plan.mark()).apply(lambda found: _render_token(*found)),
            arguments="apply",
            delete_arguments="revert",
            opts=pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(depends_on=[last])),
        )
        before = pulumi.ResourceOptions(depends_on=[key, last])
        joined[node.name] = _install(
            f"{name}-{node.name}", args, plan, pulumi.ResourceOptions.merge(own, before)
        )
        last = joined[node.name].answers if node.role == "server" else last
    return joined


def _images(
    args: K3sClusterArgs, installed: Mapping[str, Command], own: pulumi.ResourceOptions
) -> dict[str, list[Command]]:
    """Declare what brings the images to every node, in the order of the arguments.

    One part's are imported while the next one's are copied. Side by side they would all arrive at the same
    time, and no part could be installed before. Not while K3s starts: a destroy that is cut at its uninstall
    would leave copies in the state whose images are gone, and the next run would not send them.
    """
    held = args.bundle.parts if args.bundle else {}
    wanted = [part for part in args.parts if part in held and held[part].images]
    brought: dict[str, list[Command]] = {part: [] for part in wanted}
    for node in args.nodes:
        install = installed[node.name]
        inside = pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(deleted_with=install))
        copied: Sequence[pulumi.Resource] = [install]
        imported = install
        for part in wanted:
            name, images = f"{node.name}-{part}-images", held[part].images
            after = pulumi.ResourceOptions(depends_on=copied)
            copied = copy_images(name, node, images, pulumi.ResourceOptions.merge(inside, after)) or copied
            after = pulumi.ResourceOptions(depends_on=[imported, *copied])
            opts = pulumi.ResourceOptions.merge(inside, after)
            imported = import_images(name, node, part, images, opts)
            brought[part].append(imported)
    return brought


def _render_token(cluster_token: str, mark: str) -> str:
    folder = Path(TOKEN_FILE).parent
    return f"""# {mark or "unwatched"}
umask 077
if [ "$1" = revert ]; then
    rm -f {TOKEN_FILE}
    rmdir --ignore-fail-on-non-empty -p {folder} 2>/dev/null || true
    exit
fi
mkdir -p {folder}
cat >{TOKEN_FILE}.new <<'A1_TOKEN'
{cluster_token}
A1_TOKEN
mv -fT {TOKEN_FILE}.new {TOKEN_FILE}"""


@dataclass(frozen=True)
class _Plan:
    """What is done to one node, and what is known of it."""

    node: NodeSettings
    change: HostChange
    images: tuple[Upload, ...]
    state: pulumi.Output[HostState]

    def mark(self) -> pulumi.Output[str]:
        return self.state.apply(lambda found: found.mark(GROUP))

    def upload_mark(self, name: str, concern: str) -> pulumi.Output[str]:
        return self.state.apply(lambda found: found.upload_mark(name, concern))


def _plan(args: K3sClusterArgs, node: NodeSettings) -> _Plan:
    binary = args.bundle.k3s if args.bundle else None
    uploads = system_images(args.bundle)
    change = k3s(args.settings, node, args.nodes, binary.sha256 if binary else None, uploads)
    return _Plan(node, change, uploads, args.watch(node, render_script([change], GROUP)))


def _install(name: str, args: K3sClusterArgs, plan: _Plan, opts: pulumi.ResourceOptions) -> _K3s:
    ready: list[pulumi.Resource] = []
    if args.bundle and (binary := args.bundle.k3s):
        upload = Upload(binary.path.name, binary.sha256, BINARY, "0755")
        mark = plan.upload_mark(f"{name}-binary", BINARY_CONCERN)
        ready.append(remote_files(f"{name}-binary", plan.node, binary.path, [upload], mark=mark, opts=opts))
    if args.bundle and plan.images:
        folder = args.bundle.part(SYSTEM).images[0].path.parent
        mark = plan.upload_mark(f"{name}-images", IMAGES_CONCERN)
        ready.append(remote_files(f"{name}-images", plan.node, folder, plan.images, mark=mark, opts=opts))
    script = plan.mark().apply(lambda mark: render_script([plan.change], GROUP, mark=mark))
    installed = remote_script(
        f"{name}-k3s",
        plan.node,
        script,
        arguments="apply",
        delete_arguments="revert",
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=ready)),
    )
    # A step of its own: the cluster's DNS comes a good while after the node is Ready, and images need none.
    inside = pulumi.ResourceOptions(depends_on=[installed], deleted_with=installed)
    answers = remote_script(
        f"{name}-answers",
        plan.node,
        script,
        arguments="confirm",
        opts=pulumi.ResourceOptions.merge(opts, inside),
    )
    return _K3s(installed, answers)
