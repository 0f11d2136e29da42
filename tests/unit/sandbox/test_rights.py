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

# As `kustomize build config/default` of kedacore/keda has it, shortened.
_KEDA = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: keda-operator
rules:
- apiGroups: [""]
  resources: [configmaps, pods, secrets]
  verbs: [get, list, watch]
- apiGroups: ["*"]
  resources: ["*"]
  verbs: [get]
- apiGroups: ["*"]
  resources: ["*/scale"]
  verbs: [get, list, patch, update, watch]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: keda-operator
  namespace: keda
rules:
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: keda-operator
  namespace: keda
spec:
  template:
    spec:
      containers:
      - name: keda-operator
        readinessProbe: {httpGet: {path: /readyz, port: 8081}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: keda-metrics-apiserver
  namespace: keda
spec:
  template:
    spec:
      containers:
      - name: keda-metrics-apiserver
        args: [/usr/local/bin/keda-adapter]
        readinessProbe: {httpGet: {path: /readyz, port: 6443}}
"""

# As argoproj/argo-cd's `manifests/cluster-install` has them, shortened.
_ARGO_CD = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: argocd-applicationset-controller
rules:
- apiGroups: [""]
  resources: [secrets, configmaps]
  verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: argocd-applicationset-controller
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: argocd-applicationset-controller}
subjects:
- kind: ServiceAccount
  name: argocd-applicationset-controller
  namespace: argocd
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: argocd-applicationset-controller
rules:
- apiGroups: [""]
  resources: [secrets, configmaps]
  verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: argocd-server
rules:
- apiGroups: ["*"]
  resources: ["*"]
  verbs: [delete, get, patch]
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


def _verbs(role: Manifest, group: str, resource: str) -> set[str]:
    """Return what a role may do to what is in a group."""
    return {
        verb
        for rule in role["rules"]
        if {group, "*"} & set(rule["apiGroups"]) and {resource, "*"} & set(rule["resources"])
        for verb in rule["verbs"]
    }


def test_keda_reads_secrets_of_its_own_namespace_only_and_knows_it(tmp_path: Path) -> None:
    made = _made("keda", _KEDA, tmp_path)
    role = _one(made, "ClusterRole", "keda-operator")
    assert _verbs(role, "", "secrets") == set()
    assert _verbs(_one(made, "Role", "keda-operator"), "", "secrets") == {"get", "list", "watch"}
    assert _restricted(made, "keda-operator")
    assert not _restricted(made, "keda-metrics-apiserver")
    # It still finds and scales what the services are.
    assert _verbs(role, "apps", "deployments") == {"get", "list", "watch"}
    assert {"get", "update"} <= _verbs(role, "apps", "deployments/scale")
    assert _verbs(role, "argoproj.io", "rollouts/scale") == set()


def test_keda_may_scale_a_further_kind_that_is_named(tmp_path: Path) -> None:
    named = {
        "enabledCustomScaledRefKinds": True,
        "scaledRefKinds": [{"apiGroup": "argoproj.io", "kind": "rollouts"}],
    }
    role = _one(_made("keda", _KEDA, tmp_path, rbac=named), "ClusterRole", "keda-operator")
    assert _verbs(role, "argoproj.io", "rollouts") == {"get"}
    assert {"get", "update"} <= _verbs(role, "argoproj.io", "rollouts/scale")
    assert _verbs(role, "", "secrets") == set()


def _restricted(made: list[Manifest], deployment: str) -> bool:
    (container,) = _one(made, "Deployment", deployment)["spec"]["template"]["spec"]["containers"]
    return {"name": "KEDA_RESTRICT_SECRET_ACCESS", "value": "true"} in (container["env"] or [])


def test_argo_cds_controller_that_does_not_run_has_no_rights_on_other_namespaces(tmp_path: Path) -> None:
    there = {(one["kind"], one["metadata"]["name"]) for one in _made("argo-cd", _ARGO_CD, tmp_path)}
    assert {one for one in there if one[0] in {"ClusterRole", "ClusterRoleBinding", "Role"}} == {
        ("ClusterRole", "argocd-server"),
        ("Role", "argocd-applicationset-controller"),
    }
