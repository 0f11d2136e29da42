"""Gatekeeper: the webhook that the admission policies answer through."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.helm.v3 import Release

from a1platform.delivery.manifest import Manifest
from a1platform.delivery.pulumi_sink import declare
from a1platform.naming import token
from a1platform.platform.namespaces import GATEKEEPER
from a1platform.platform.part import PartArgs
from a1platform.platform.release import ReleaseArgs, release
from a1platform.platform.sizes import PRIORITY, resources, sized
from a1platform.platform.values import merged
from a1platform.settings.platform import GatekeeperSettings

_POD = {"gatekeeper.sh/system": "yes"}


@dataclass(frozen=True)
class GatekeeperArgs:
    """What Gatekeeper is made of.

    Attributes:
        part: What every part is made of; it waits for every namespace, since its webhook guards their labels.
        exempt: Namespaces that no policy reaches.
        online: Whether images can be pulled that no bundle holds, such as the one that upgrades the kinds.
        crds: The monitoring stack's kinds, where they are installed.
    """

    part: PartArgs[GatekeeperSettings]
    exempt: Collection[str]
    online: bool = True
    crds: pulumi.Resource | None = None


class Gatekeeper(pulumi.ComponentResource):
    """Gatekeeper, ready to answer.

    Attributes:
        origin: What is installed, in words.
    """

    origin: pulumi.Output[str]

    release: Release
    """Done when the webhook answers."""

    def __init__(self, name: str, args: GatekeeperArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the release and, with monitoring, the way to its metrics."""
        super().__init__(token("platform", "Gatekeeper"), name, None, opts)
        part = args.part
        self.release = release(
            f"{name}-release",
            ReleaseArgs("gatekeeper", GATEKEEPER, part.chart, values(args), part.settings.timeout),
            self,
            part.before,
        )
        if args.crds is not None:
            declare(pod_monitor(), pulumi.ResourceOptions(parent=self, depends_on=[args.crds, *part.before]))
        self.origin = pulumi.Output.from_input(part.chart.origin)
        self.register_outputs({"origin": self.origin})


def values(args: GatekeeperArgs) -> dict[str, Any]:
    """Return the chart's values."""
    settings, sizing = args.part.settings, args.part.sizing
    ours = {
        "replicas": settings.replicas,
        # The pod counts as ready once the webhook serves with its certificate, not when the program runs.
        "enableTLSHealthcheck": True,
        "enableRuntimeDefaultSeccompProfile": True,
        "psp": {"enabled": False},
        # Namespaces have their labels before this is installed, and the release is awaited: no hook needed.
        "postInstall": {"labelNamespace": {"enabled": False}, "probeWebhook": {"enabled": False}},
        # `crds/` is never upgraded by Helm itself; the hook's image is in no bundle.
        "upgradeCRDs": {"enabled": args.online, "priorityClassName": PRIORITY},
        "crds": {"resources": resources("argocd-once", sizing)},
        "controllerManager": {
            # Only these may carry the label that takes a namespace out of the webhook's reach.
            "exemptNamespaces": sorted(args.exempt),
            **sized("gatekeeper-controller", sizing),
        },
        "audit": sized("gatekeeper-audit", sizing),
        # A budget of one out of one would let no node be drained.
        "pdb": {"controllerManager": {"minAvailable": 1 if settings.replicas > 1 else 0}},
    }
    return merged(ours, settings.values)


def pod_monitor() -> Manifest:
    """Return what leads Prometheus to the metrics: the chart has none, and no Service with that port."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "gatekeeper", "namespace": GATEKEEPER},
        "spec": {"selector": {"matchLabels": _POD}, "podMetricsEndpoints": [{"port": "metrics"}]},
    }
