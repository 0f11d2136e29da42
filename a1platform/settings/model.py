"""The whole configuration of a stack, with the checks that concern more than one part of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from a1platform import bundle
from a1platform.settings.access import AccessSettings
from a1platform.settings.base import Settings
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import KUBELET_PARAMETERS, HardeningSettings, PreflightSettings
from a1platform.settings.nodes import Nodes, entries, within
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.policies import PolicySettings
from a1platform.settings.services import ServicesSettings
from a1platform.settings.shown import shown
from a1platform.settings.together import Location, Problem


def _bundle(folder: Path) -> Path:
    try:
        expanded = folder.expanduser()
        there = (expanded / bundle.FILE).is_file()
    # A user of `~user` that nobody knows, a zero byte, and what is too long to be a path.
    except (OSError, RuntimeError, ValueError):
        there = False
    if not there:
        raise ValueError(f"found no bundle.json in {shown(str(folder))}, expected a bundle (docs/bundle.md)")
    return expanded


_OF_A_NODE = 24
"""The prefix of what the controller manager gives each node of the addresses of pods."""
BundleFolder = Annotated[Path, AfterValidator(_bundle)]
"""An existing bundle."""


class A1Settings(Settings):
    """Everything that `Pulumi.<stack>.yaml` says under `a1platform:`.

    Attributes:
        nodes: The machines; with none, `make up` makes the sandbox node.
        preflight: What a machine must offer.
        hardening: What is changed on each host.
        k3s: The cluster.
        bundle: Folder that everything is installed from; without it charts, images and K3s are downloaded.
        platform: Third-party parts.
        policies: What Gatekeeper refuses.
        access: Who may do what in the cluster.
        services: The five `mcp-*` services.
        node_is_gone: Set when all machines are lost for good, so that `destroy` does not try to reach them;
            for some of several there is `nodes[].isGone`.
    """

    nodes: Nodes = ()
    preflight: PreflightSettings = Field(default_factory=PreflightSettings)
    hardening: HardeningSettings = Field(default_factory=HardeningSettings)
    # The alias generator would make `k3S` of it.
    k3s: K3sSettings = Field(default_factory=K3sSettings, alias="k3s")
    bundle: BundleFolder | None = None
    platform: PlatformSettings = Field(default_factory=PlatformSettings)
    policies: PolicySettings = Field(default_factory=PolicySettings)
    access: AccessSettings = Field(default_factory=AccessSettings)
    services: ServicesSettings = Field(default_factory=ServicesSettings)
    node_is_gone: bool = False

    def between(self, given: object) -> Iterator[Problem]:
        """Return where nodes have addresses of the cluster, and what K3s would not be or not start with."""
        yield from super().between(given)
        nodes = entries(given.get("nodes") if isinstance(given, dict) else self.nodes)
        yield from within(
            nodes, {"k3s.clusterCidr": self.k3s.cluster_cidr, "k3s.serviceCidr": self.k3s.service_cidr}
        )
        yield from self._room_for_pods(len(nodes))
        yield from self._missing_parameters()
        yield from self._other_k3s()

    def _room_for_pods(self, nodes: int) -> Iterator[Problem]:
        """Return that nodes would be left without addresses for their pods."""
        arguments = self.k3s.extra_config.get("kube-controller-manager-arg")
        if "node-cidr-mask-size" in str(arguments):
            return
        cidr, needed = self.k3s.cluster_cidr, _OF_A_NODE - max(nodes - 1, 0).bit_length()
        if cidr.prefixlen > needed:
            why = f"each of {max(nodes, 1)} nodes gets a /{_OF_A_NODE} of it"
            text = f"found {str(cidr)!r}, expected a range of at least the size of /{needed}: {why}"
            yield Problem(("k3s", "clusterCidr"), text, (("k3s", "clusterCidr"), ("k3s", "extraConfig")))

    def _missing_parameters(self) -> Iterator[Problem]:
        """Return what leaves parameters alone without which the kubelet does not start."""
        if self.k3s.extra_config.get("protect-kernel-defaults") is False:
            return
        sysctl = self.hardening.sysctl
        left: list[tuple[Location, str]] = [
            (("sysctl", "skip", key), key) for key in KUBELET_PARAMETERS if key in sysctl.skip
        ]
        every = ", ".join(KUBELET_PARAMETERS)
        if not sysctl.enabled:
            left = [(("sysctl", "enabled"), every)]
        elif self.hardening.kernel == "shared":
            left = [(("kernel",), every)]
        for location, parameters in left:
            text = (
                f"found {parameters} left alone, without which K3s does not start, expected k3s.extraConfig."
                "protect-kernel-defaults: false beside it, with which the kubelet sets such parameters itself"
            )
            about = (("hardening", *location), ("k3s", "extraConfig", "protect-kernel-defaults"))
            yield Problem(about[0], text, about)

    def _other_k3s(self) -> Iterator[Problem]:
        if self.bundle is None:
            return
        try:
            held = bundle.load(self.bundle).k3s
        except bundle.BundleError as error:
            text = f"found a bundle that cannot be used ({error}), expected one as `a1 bundle build` makes it"
            yield Problem(("bundle",), text)
            return
        if held is None:
            # Else the nodes would ask the official site, which a bundle is there to spare them.
            if "release_url" not in self.k3s.model_fields_set:
                text = (
                    f"found a bundle without K3s in {self.bundle}, expected one with it, as `a1 bundle build "
                    "--parts system` makes it, or a k3s.releaseUrl from which the nodes can take it"
                )
                yield Problem(("bundle",), text, (("bundle",), ("k3s", "releaseUrl")))
            return
        given = {"version": self.k3s.version, "sha256": self.k3s.sha256}
        for name, value in given.items():
            own = getattr(held, name)
            if value is not None and value != own:
                text = f"found {shown(value)}, expected {own}, which is the K3s in the bundle {self.bundle}"
                yield Problem(("k3s", name), text, (("bundle",), ("k3s", name)))


KEYS = frozenset(field.alias or name for name, field in A1Settings.model_fields.items())
"""The keys below `a1platform:`."""
