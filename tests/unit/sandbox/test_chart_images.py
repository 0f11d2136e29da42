"""Whatever makes pods names its images, and they are told by their whole names."""

from typing import Any

import pytest

from sandbox.chart_images import images
from sandbox.chart_values import INSTALLATIONS, installation
from sandbox.parts import PARTS


def _pod(name: str, first: object = None) -> dict[str, Any]:
    return {"containers": [{"name": "x", "image": name}], "initContainers": first}


def _made(kind: str, spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"kind": kind, "metadata": {"name": "x"}, "spec": spec}]


@pytest.mark.parametrize("kind", ["DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"])
def test_what_has_a_template_of_pods_asks_for_their_images(kind: str) -> None:
    spec = {"template": {"spec": _pod("quay.io/a:1", [{"name": "first", "image": "ghcr.io/b:1"}])}}
    assert images(_made(kind, spec)) == {"quay.io/a:1", "ghcr.io/b:1"}


def test_pods_of_their_own_and_those_of_a_timetable_ask_for_images_too() -> None:
    assert images(_made("Pod", _pod("quay.io/a:1"))) == {"quay.io/a:1"}
    job = {"jobTemplate": {"spec": {"template": {"spec": _pod("quay.io/a:2")}}}}
    assert images(_made("CronJob", job)) == {"quay.io/a:2"}


def test_the_prometheus_operator_asks_for_those_that_it_is_told_of() -> None:
    operator = _pod("quay.io/operator:1")
    operator["containers"][0]["args"] = [
        "--prometheus-config-reloader=quay.io/reloader:1",
        "--thanos-default-base-image=quay.io/thanos:1",
    ]
    objects = [
        *_made("Deployment", {"template": {"spec": operator}}),
        *_made("Prometheus", {"image": "quay.io/prometheus:3"}),
        *_made("Alertmanager", {}),
        *_made("ServiceMonitor", {"image": "none"}),
        {"kind": "ServiceAccount", "metadata": {"name": "x"}},
    ]
    assert images(objects) == {"quay.io/operator:1", "quay.io/reloader:1", "quay.io/prometheus:3"}


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("rancher/pause:3.6", "docker.io/rancher/pause:3.6"),
        ("docker.io/rancher/pause:3.6", "docker.io/rancher/pause:3.6"),
        ("registry:5000/pause:3.6", "registry:5000/pause:3.6"),
        ("localhost/pause", "localhost/pause"),
    ],
)
def test_a_name_without_a_registry_is_one_of_docker_io(name: str, whole: str) -> None:
    assert images(_made("Pod", _pod(name))) == {whole}


def test_it_is_known_of_every_parts_chart_how_it_is_installed() -> None:
    assert set(INSTALLATIONS) == {name for name, part in PARTS.items() if part.chart}


@pytest.mark.parametrize("grafana", [True, False])
def test_the_monitoring_stack_asks_for_grafanas_images_only_where_they_can_be_had(grafana: bool) -> None:  # noqa: FBT001
    assert installation("monitoring", grafana=grafana).values["grafana"]["enabled"] is grafana
    assert installation("keda", grafana=grafana) == INSTALLATIONS["keda"]
