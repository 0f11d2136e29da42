"""Where each part's chart comes from."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from a1platform import versions
from a1platform.bundle import Bundle

_PROMETHEUS_COMMUNITY = "https://prometheus-community.github.io/helm-charts"

MONITORING_CRDS = "monitoring-crds"
"""The chart of the monitoring stack's kinds, which other parts' charts look for before they are installed."""


@dataclass(frozen=True)
class Chart:
    """A chart at an exact version.

    Attributes:
        source: Its name in the repository, or the path of its folder.
        version: Its version.
        repository: Where it is downloaded; None for a folder.
        origin: What is installed, in words.
    """

    source: str
    version: str
    repository: str | None = None
    origin: str = ""


OFFICIAL: Mapping[str, Chart] = {
    "gatekeeper": Chart(
        "gatekeeper", versions.GATEKEEPER_CHART, "https://open-policy-agent.github.io/gatekeeper/charts"
    ),
    "external-secrets": Chart(
        "external-secrets", versions.EXTERNAL_SECRETS_CHART, "https://charts.external-secrets.io"
    ),
    "keda": Chart("keda", versions.KEDA_CHART, "https://kedacore.github.io/charts"),
    "argo-cd": Chart("argo-cd", versions.ARGO_CD_CHART, "https://argoproj.github.io/argo-helm"),
    "monitoring": Chart("kube-prometheus-stack", versions.KUBE_PROMETHEUS_STACK_CHART, _PROMETHEUS_COMMUNITY),
    "tracing": Chart("jaeger", versions.JAEGER_CHART, "https://jaegertracing.github.io/helm-charts"),
    "image-scanning": Chart(
        "trivy-operator", versions.TRIVY_OPERATOR_CHART, "https://aquasecurity.github.io/helm-charts"
    ),
    MONITORING_CRDS: Chart(
        "prometheus-operator-crds", versions.PROMETHEUS_OPERATOR_CRDS_CHART, _PROMETHEUS_COMMUNITY
    ),
}
"""Each part's chart where there is no bundle."""


def chart(name: str, bundle: Bundle | None, repository: str | None = None) -> Chart | None:
    """Return a part's chart, or None where the bundle has none: a bundle is never mixed with downloads.

    Args:
        name: A key of `OFFICIAL`.
        bundle: What everything is installed from, if not from the internet.
        repository: Repository in place of the official one.
    """
    if bundle is None:
        official = OFFICIAL[name]
        return Chart(
            official.source,
            official.version,
            repository or official.repository,
            f"chart {official.source} {official.version}",
        )
    part = bundle.parts.get(name)
    if part is None or part.chart is None:
        return None
    # Relative to the program's folder: another path is an upgrade to Helm, and homes differ between machines.
    return Chart(os.path.relpath(part.chart.path), part.chart.version, None, part.origin)


def program_version(chart: Chart) -> tuple[int, int] | None:
    """Return major and minor version of the program in a chart's folder; None where there is no folder.

    Args:
        chart: The chart.
    """
    file = Path(chart.source) / "Chart.yaml"
    if chart.repository is not None or not file.is_file():
        return None
    told = str(yaml.safe_load(file.read_text(encoding="utf-8")).get("appVersion", ""))
    found = re.match(r"v?(\d+)\.(\d+)", told)
    return (int(found[1]), int(found[2])) if found else None
