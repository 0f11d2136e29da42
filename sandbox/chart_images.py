"""Which images a chart asks for: Helm renders it with our components' values, and what comes out is read."""

import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from a1platform.naming import qualified
from a1platform.versions import K3S
from sandbox.build.chart import ChartError
from sandbox.build.go import build
from sandbox.cache import Cache
from sandbox.progress import Progress
from sandbox.recipes.argo_cd import HELM

_TEMPLATED = frozenset({"DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"})
_OF_THE_OPERATOR = frozenset({"Alertmanager", "Prometheus", "PrometheusAgent", "ThanosRuler"})
"""Kinds of which the Prometheus operator makes pods."""
_RELOADER = "--prometheus-config-reloader="
"""Where the operator is told which image stands beside those of these kinds."""


class _Loader(yaml.CSafeLoader):
    """Also reads `=`, a text in one of the operator's kinds."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda _loader, node: node.value)


def require_images(objects: Iterable[Mapping[str, Any]], held: Collection[str]) -> None:
    """Return where everything that a chart's pods run is held; else they would wait for an image for ever.

    Args:
        objects: The chart's objects.
        held: References of the images that there are.

    Raises:
        ChartError: An image is not held.
    """
    if missing := images(objects).difference(held):
        raise ChartError(f"the chart asks for {', '.join(sorted(missing))}: in no part of the bundle")


def rendered(
    cache: Cache, progress: Progress, part: str, chart: Path, *, grafana: bool = False
) -> list[dict[str, Any]]:
    """Return the objects of a chart, with the values that our component gives it.

    Args:
        cache: Where Helm is, or is built.
        progress: Takes a line now and then while Helm is built.
        part: The bundle's part that the chart is of.
        chart: The chart's folder.
        grafana: Whether Grafana is installed with the monitoring stack.

    Raises:
        ChartError: The chart does not take our values.
        BuildError: Helm cannot be built.
    """
    # Not above: every `make up` would wait for the platform's components, which only making a part needs.
    from sandbox.chart_values import installation  # noqa: PLC0415 - the lines above

    given = installation(part, grafana=grafana)
    helm = build(HELM, cache, progress) / "helm"
    command = [str(helm), "template", given.release, str(chart), "--namespace", given.namespace]
    cluster = ["--kube-version", K3S.partition("+")[0], "--api-versions", "monitoring.coreos.com/v1"]
    done = subprocess.run(
        [*command, *cluster, "--skip-tests", "--values", "-"],
        input=yaml.safe_dump(dict(given.values)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ChartError(f"Helm does not render the chart with our values: {done.stderr.strip()}")
    return [one for one in yaml.load_all(done.stdout, _Loader) if one]


def pods(objects: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield kind and name of everything that makes pods, and what its pods are made by."""
    for one in objects:
        kind, name = one["kind"], f"{one['kind']}/{one['metadata']['name']}"
        if kind == "CronJob":
            yield name, one["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        elif kind in _TEMPLATED:
            yield name, one["spec"]["template"]["spec"]
        elif kind == "Pod":
            yield name, one["spec"]


def containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all containers of a pod, those first that begin it."""
    return [*(pod.get("initContainers") or ()), *pod["containers"]]


def images(objects: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the whole references of all images that are asked for, also of the Prometheus operator."""
    objects = list(objects)
    every = [container for _, pod in pods(objects) for container in containers(pod)]
    found = {container["image"] for container in every}
    found |= {
        argument.removeprefix(_RELOADER)
        for container in every
        for argument in container.get("args") or ()
        if str(argument).startswith(_RELOADER)
    }
    found |= {
        one["spec"]["image"] for one in objects if one["kind"] in _OF_THE_OPERATOR and "image" in one["spec"]
    }
    return {qualified(image) for image in found}
