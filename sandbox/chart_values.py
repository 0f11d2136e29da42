"""What each bundled chart is installed with where nothing is configured, as its component says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from a1platform.platform import argocd, external_secrets, gatekeeper, keda, monitoring_values, tracing
from a1platform.platform.chart import Chart
from a1platform.platform.part import PartArgs
from a1platform.platform.sizes import Sizing
from a1platform.settings.argocd import ArgoCdSettings
from a1platform.settings.platform import (
    ExternalSecretsSettings,
    GatekeeperSettings,
    KedaSettings,
    MonitoringSettings,
    TracingSettings,
)
from a1platform.settings.services import Profile

_CHART = Chart("bundled", "0")
_SIZING = Sizing(Profile.SMALL)


@dataclass(frozen=True)
class Installation:
    """How a chart is installed.

    Attributes:
        release: Name of the release.
        namespace: Its namespace.
        values: What the chart is given.
    """

    release: str
    namespace: str
    values: Mapping[str, Any] = field(default_factory=dict)


INSTALLATIONS: Mapping[str, Installation] = {
    "monitoring-crds": Installation("monitoring-crds", "prometheus"),
    "gatekeeper": Installation(
        "gatekeeper",
        "gatekeeper-system",
        gatekeeper.values(
            gatekeeper.GatekeeperArgs(
                PartArgs(_CHART, GatekeeperSettings(), _SIZING), exempt=("kube-system",), online=False
            )
        ),
    ),
    "external-secrets": Installation(
        "external-secrets",
        "external-secrets",
        external_secrets.values(PartArgs(_CHART, ExternalSecretsSettings(), _SIZING, monitoring=True)),
    ),
    "monitoring": Installation(
        "kps", "prometheus", monitoring_values.values(MonitoringSettings(), _SIZING, grafana=False)
    ),
    "keda": Installation(
        "keda", "keda", keda.values(PartArgs(_CHART, KedaSettings(), _SIZING, monitoring=True))
    ),
    "argo-cd": Installation(
        "argocd", "argocd", argocd.values(PartArgs(_CHART, ArgoCdSettings(), _SIZING, monitoring=True))
    ),
    "tracing": Installation(
        "jaeger", "tracing", tracing.values(PartArgs(_CHART, TracingSettings(), _SIZING, monitoring=True))
    ),
}
"""By the bundle's part."""
