"""KEDA: autoscaling by queries, beside CPU and memory."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_kubernetes.helm.v3 import Release

from a1platform.naming import token
from a1platform.platform.namespaces import KEDA
from a1platform.platform.part import PartArgs
from a1platform.platform.release import ReleaseArgs, release
from a1platform.platform.sizes import PRIORITY, resources
from a1platform.platform.values import merged
from a1platform.settings.platform import KedaSettings
from a1platform.settings.sizes import Container

_ROLES: Mapping[str, Container] = {
    "operator": "keda-operator",
    "metricServer": "keda-metrics",
    "webhooks": "keda-webhooks",
}


class Keda(pulumi.ComponentResource):
    """KEDA, ready to scale.

    Attributes:
        origin: What is installed, in words.
    """

    origin: pulumi.Output[str]

    release: Release
    """Done when operator, metrics server and webhook are ready."""

    def __init__(
        self, name: str, args: PartArgs[KedaSettings], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the release."""
        super().__init__(token("platform", "Keda"), name, None, opts)
        self.release = release(
            f"{name}-release",
            ReleaseArgs("keda", KEDA, args.chart, values(args), args.settings.timeout),
            self,
            args.before,
        )
        self.origin = pulumi.Output.from_input(args.chart.origin)
        self.register_outputs({"origin": self.origin})


def values(args: PartArgs[KedaSettings]) -> dict[str, Any]:
    """Return the chart's values."""
    replicas = args.settings.replicas
    spare = {"minAvailable": 1} if replicas > 1 else {}
    monitor = {"enabled": True, "serviceMonitor": {"enabled": args.monitoring}}
    ours = {
        # The chart's default asks the registry at every start, which an installation from a bundle has not.
        "image": {"pullPolicy": "IfNotPresent"},
        "priorityClassName": PRIORITY,
        "resources": {role: resources(container, args.sizing) for role, container in _ROLES.items()},
        # The metrics server stays one: upstream says that only one of several serves.
        "operator": {"replicaCount": replicas},
        "webhooks": {"replicaCount": replicas},
        "podDisruptionBudget": {"operator": spare, "webhooks": spare},
        "prometheus": dict.fromkeys(_ROLES, monitor),
        # Secrets of its own namespace only. By itself that leaves the operator `get` on everything, which the
        # chart gives it for whatever somebody may want to scale: Deployments and StatefulSets need neither.
        "permissions": {"operator": {"restrict": {"secret": True}}},
        "rbac": {"enabledCustomScaledRefKinds": False},
    }
    return merged(ours, args.settings.values)
