"""A host that has passed the preflight and is hardened."""

from dataclasses import dataclass, field

import pulumi

from a1platform.naming import token
from a1platform.node.drift import Watch, unwatched
from a1platform.node.give_back import render_give_back
from a1platform.node.hardening import GROUP, changes
from a1platform.node.hardening.firewall import CLUSTER_RANGES
from a1platform.node.host_change import render_script
from a1platform.node.preflight import render_preflight
from a1platform.node.ssh import on_delete, remote_script
from a1platform.settings.node import HardeningSettings, NodeSettings, PreflightSettings
from a1platform.settings.peers import ALONE, Peers


@dataclass(frozen=True)
class HardenedNodeArgs:
    """What a hardened node is made of.

    Attributes:
        node: How to reach the host.
        preflight: What it must have.
        hardening: How it is hardened.
        peers: The cluster's other nodes.
        inside: Addresses of pods and Services.
        watch: How the program learns whether the host has drifted.
    """

    node: NodeSettings
    preflight: PreflightSettings = field(default_factory=PreflightSettings)
    hardening: HardeningSettings = field(default_factory=HardeningSettings)
    peers: Peers = ALONE
    inside: tuple[str, ...] = CLUSTER_RANGES
    watch: Watch = unwatched


class HardenedNode(pulumi.ComponentResource):
    """A host that is fit and hardened; given back as it was found on destroy, also what a cut run has left.

    Four SSH connections: what has drifted, which K3s asks over the same one; facts and preflight; every
    change in one script, applied and verified; the confirmation in one of its own, which proves that the
    firewall lets new ones in.

    Attributes:
        ready: Resolves to the node's name once all of that is done; depend on the component to wait for it.
    """

    ready: pulumi.Output[str]

    def __init__(self, name: str, args: HardenedNodeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the node.

        Args:
            name: Logical name.
            args: What it is made of.
            opts: Options; `deleted_with` skips giving the host back.
        """
        super().__init__(token("node", "HardenedNode"), name, None, opts)
        preflight = remote_script(
            f"{name}-preflight",
            args.node,
            render_preflight(args.preflight, args.node, firewall=args.hardening.firewall.enabled),
            opts=pulumi.ResourceOptions(parent=self),
        )
        # The only one that gives the host back, also what a failed run has left and no state knows of.
        leftovers = on_delete(
            f"{name}-leftovers",
            args.node,
            render_give_back(args.node.user, GROUP),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[preflight]),
        )
        declared = changes(args.hardening, args.node.user, args.peers, args.inside)
        script = args.watch(args.node, render_script(declared, GROUP)).apply(
            lambda state: render_script(declared, GROUP, mark=state.mark(GROUP))
        )
        hardening = remote_script(
            f"{name}-hardening",
            args.node,
            script,
            arguments="apply",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[leftovers]),
        )
        confirmation = remote_script(
            f"{name}-confirmation",
            args.node,
            script,
            arguments="confirm",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[hardening]),
        )
        self.ready = pulumi.Output.unsecret(confirmation.stdout.apply(lambda _: args.node.name))
        self.register_outputs({"ready": self.ready})
