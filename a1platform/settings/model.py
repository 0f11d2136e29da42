"""The whole configuration of a stack, with the checks that concern more than one part of it."""

from collections import Counter
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from a1platform.settings.base import Settings
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import HardeningSettings, NodeSettings, PreflightSettings
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.policies import PolicySettings
from a1platform.settings.services import ServicesSettings


class A1Settings(Settings):
    """Everything that `Pulumi.<stack>.yaml` says under `a1platform:`.

    Attributes:
        nodes: The machines; with none, `make up` makes the sandbox node.
        preflight: What a machine must offer.
        hardening: What is changed on each host.
        k3s: The cluster.
        bundle: Folder that everything is installed from; without it charts, images and K3s come from the internet.
        platform: Third-party parts.
        policies: What Gatekeeper refuses.
        services: The five `mcp-*` services.
        node_is_gone: Set when the machines are lost for good, so that `destroy` does not try to reach them.
    """

    nodes: tuple[NodeSettings, ...] = ()
    preflight: PreflightSettings = Field(default_factory=PreflightSettings)
    hardening: HardeningSettings = Field(default_factory=HardeningSettings)
    k3s: K3sSettings = Field(default_factory=K3sSettings)
    bundle: Path | None = None
    platform: PlatformSettings = Field(default_factory=PlatformSettings)
    policies: PolicySettings = Field(default_factory=PolicySettings)
    services: ServicesSettings = Field(default_factory=ServicesSettings)
    node_is_gone: bool = False

    @field_validator("nodes")
    @classmethod
    def _nodes_form_a_cluster(cls, nodes: tuple[NodeSettings, ...]) -> tuple[NodeSettings, ...]:
        problems = [*_duplicates("name", [node.name for node in nodes]), *_duplicates("host", [n.host for n in nodes])]
        servers = sum(node.role == "server" for node in nodes)
        if nodes and servers == 0:
            problems.append("found no node with role 'server', expected 1, 3 or 5 of them")
        elif nodes and servers % 2 == 0:
            problems.append(f"found {servers} nodes with role 'server', expected an odd number: etcd needs a majority")
        if problems:
            raise ValueError("; ".join(problems))
        return nodes

    @model_validator(mode="after")
    def _bundle_exists(self) -> Self:
        if self.bundle is not None and not (self.bundle.expanduser() / "bundle.json").is_file():
            raise ValueError(f"bundle: found no bundle.json in {self.bundle}, expected a folder made by `a1 bundle`")
        return self


def _duplicates(what: str, values: list[str]) -> list[str]:
    return [
        f"found {what} {value!r} on nodes {' and '.join(str(i) for i, v in enumerate(values) if v == value)}, "
        f"expected each {what} once"
        for value, count in Counter(values).items()
        if count > 1
    ]
