"""The whole configuration of a stack, with the checks that concern more than one part of it."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from a1platform.settings.access import AccessSettings
from a1platform.settings.base import Settings
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import HardeningSettings, PreflightSettings
from a1platform.settings.nodes import Nodes
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.policies import PolicySettings
from a1platform.settings.services import ServicesSettings


def _bundle(folder: Path) -> Path:
    expanded = folder.expanduser()
    if not (expanded / "bundle.json").is_file():
        raise ValueError(f"found no bundle.json in {folder}, expected a bundle (docs/bundle.md)")
    return expanded


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
        node_is_gone: Set when the machines are lost for good, so that `destroy` does not try to reach them.
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
