"""What each bundled chart is installed with where nothing is configured, as its component says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
_MONITORING = "monitoring"


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


def _monitoring(*, grafana: bool) -> Mapping[str, Any]:
    return monitoring_values.values(MonitoringSettings(), _SIZING, grafana=grafana)


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
    _MONITORING: Installation("kps", "prometheus", _monitoring(grafana=False)),
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


def installation(part: str, *, grafana: bool) -> Installation:
    """Return how a part's chart is installed.

    Args:
        part: The bundle's part.
        grafana: Whether Grafana is installed with the monitoring stack.
    """
    given = INSTALLATIONS[part]
    return replace(given, values=_monitoring(grafana=True)) if grafana and part == _MONITORING else given
