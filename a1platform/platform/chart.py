"""One place that says where a chart comes from, and one that makes a Helm release of it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi_kubernetes.helm.v3 import Release, RepositoryOptsArgs

from a1platform import versions
from a1platform.bundle import Bundle
from a1platform.platform.chart_schema import check_values

_PROMETHEUS_COMMUNITY = "https://prometheus-community.github.io/helm-charts"
_SECONDS = 600
_REVISIONS = 5

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


@dataclass(frozen=True)
class ReleaseArgs:
    """What a release is made of.

    Attributes:
        name: Name of the release in the cluster.
        namespace: An existing namespace.
        chart: See `Chart`.
        values: The chart's values.
        seconds: How long its pods may take to get ready.
    """

    name: str
    namespace: str
    chart: Chart
    values: Mapping[str, Any]
    seconds: int = _SECONDS


def release(
    logical_name: str, args: ReleaseArgs, parent: pulumi.Resource, after: Sequence[pulumi.Resource] = ()
) -> Release:
    """Declare a release that is done when everything in it is ready.

    It is atomic: an installation that fails is taken back, and an upgrade that fails is rolled back, so that
    the next run starts from something that is known. Helm's `v3.Release` it is for its hooks, see
    docs/adr/0005-helm-release.md.

    Args:
        logical_name: The resource's name.
        args: What it is made of.
        parent: The component that it belongs to.
        after: What it waits for.

    Raises:
        ChartValuesError: A chart that is on this machine refuses its values, in a preview too.
    """
    source = args.chart
    if source.repository is None:
        check_values(args.name, Path(source.source), args.values)
    return Release(
        logical_name,
        name=args.name,
        namespace=args.namespace,
        create_namespace=False,
        chart=source.source,
        version=source.version,
        repository_opts=RepositoryOptsArgs(repo=source.repository) if source.repository else None,
        values=dict(args.values),
        timeout=args.seconds,
        atomic=True,
        cleanup_on_fail=True,
        skip_await=False,
        wait_for_jobs=True,
        max_history=_REVISIONS,
        description=_description(source, after),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(after)),
    )


def _description(source: Chart, after: Sequence[pulumi.Resource]) -> pulumi.Input[str]:
    """Return what Helm's history says about a revision.

    The provider downloads a chart in each preview in which every input is known, and a preview of a stack
    that is not there yet is to need no network. So the text is known no sooner than the namespace is there.
    """
    text = f"a1platform: {source.origin}"
    known_later = [one for one in after if isinstance(one, pulumi.CustomResource)]
    return known_later[0].id.apply(lambda _: text) if source.repository and known_later else text
