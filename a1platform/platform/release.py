"""The one place that makes a Helm release of a chart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi_kubernetes.helm.v3 import Release, RepositoryOptsArgs

from a1platform.platform.chart import Chart
from a1platform.platform.chart_schema import check_values

_SECONDS = 600
_REVISIONS = 5


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
    chart, repository = _place(source)
    return Release(
        logical_name,
        name=args.name,
        namespace=args.namespace,
        create_namespace=False,
        chart=chart,
        version=source.version,
        repository_opts=repository,
        values=dict(args.values),
        # Else the provider leaves out a null, by which Helm takes a key of the chart away.
        allow_null_values=True,
        timeout=args.seconds,
        atomic=True,
        cleanup_on_fail=True,
        skip_await=False,
        wait_for_jobs=True,
        max_history=_REVISIONS,
        description=_description(source, after),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(after)),
    )


def _place(source: Chart) -> tuple[str, RepositoryOptsArgs | None]:
    """Return a chart's name and its repository as the provider takes them.

    It knows a registry by the chart's name alone: given as a repository, it is asked for an index that
    registries do not have (pulumi-kubernetes #2158).
    """
    if source.repository is None:
        return source.source, None
    if source.repository.startswith("oci://"):
        return f"{source.repository.rstrip('/')}/{source.source}", None
    return source.source, RepositoryOptsArgs(repo=source.repository)


def _description(source: Chart, after: Sequence[pulumi.Resource]) -> pulumi.Input[str]:
    """Return what Helm's history says about a revision.

    The provider downloads a chart in each preview in which every input is known, and a preview of a stack
    that is not there yet is to need no network. So the text is known no sooner than the namespace is there.
    """
    text = f"a1platform: {source.origin}"
    known_later = [one for one in after if isinstance(one, pulumi.CustomResource)]
    return known_later[0].id.apply(lambda _: text) if source.repository and known_later else text
