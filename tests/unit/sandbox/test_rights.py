"""The sandbox's own charts give the parts no more rights than the official ones do with the same values."""

from pathlib import Path
from typing import Any

import pytest

from a1platform.delivery.manifest import Manifest
from sandbox.build.chart import own_chart
from sandbox.chart_values import installation
from tests.charts import helm_program, rendered

# As kubernetes/kube-state-metrics and prometheus-operator/prometheus-operator have them, shortened.
_MONITORING = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: kube-state-metrics
rules:
- apiGroups: [""]
  resources: [configmaps, secrets, nodes]
  verbs: [list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: prometheus-operator
rules:
- apiGroups: [""]
  resources: [configmaps, secrets]
  verbs: ["*"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: prometheus
rules:
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, list, watch]
"""


def _made(part: str, upstream: str, folder: Path, **values: dict[str, Any]) -> list[Manifest]:
    """Return what Helm makes of one of our charts round upstream's manifests, as it is installed."""
    chart = folder / "chart"
    own_chart(part, chart, upstream)
    told = installation(part, grafana=False)
    release = {"name": told.release, "namespace": told.namespace, "chart": str(chart)}
    return rendered(helm_program(), {**release, "values": {**told.values, **values}}, folder)


def _one(made: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = (one for one in made if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def _resources(role: Manifest) -> list[str]:
    return [name for rule in role["rules"] for name in rule["resources"]]


@pytest.fixture
def monitoring(tmp_path: Path) -> list[Manifest]:
    return _made("monitoring", _MONITORING, tmp_path)


def test_kube_state_metrics_neither_counts_secrets_nor_may_read_them(monitoring: list[Manifest]) -> None:
    assert _resources(_one(monitoring, "ClusterRole", "kps-kube-state-metrics")) == ["configmaps", "nodes"]
    (container,) = _one(monitoring, "Deployment", "kps-kube-state-metrics")["spec"]["template"]["spec"][
        "containers"
    ]
    (counted,) = (one for one in container["args"] if one.startswith("--resources="))
    assert "pods" in counted.partition("=")[2].split(",")
    assert "secrets" not in counted


def test_the_operator_that_writes_configurations_into_secrets_keeps_its_rights(
    monitoring: list[Manifest],
) -> None:
    assert _resources(_one(monitoring, "ClusterRole", "kps-operator")) == ["configmaps", "secrets"]
