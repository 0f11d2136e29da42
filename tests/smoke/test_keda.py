"""KEDA: it makes autoscalers, and the services scale by CPU, by memory and by what they are at."""

import secrets

import kr8s
import pytest
from kr8s.objects import Deployment, HorizontalPodAutoscaler, new_class

from a1platform.services.catalog import CATALOG, GATEWAY, IN_FLIGHT_PER_POD
from a1platform.services.resolve import NAMESPACE
from tests.smoke.conftest import Outputs, listed
from tests.smoke.rest import Manifest, Rest
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.smoke, pytest.mark.part("keda")]

ScaledObject = new_class("ScaledObject", "keda.sh/v1alpha1", asyncio=False, namespaced=True)
_of_services = pytest.mark.part("mcp-services")


def test_the_metrics_that_keda_serves_are_part_of_the_api(rest: Rest) -> None:
    service: Manifest = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
    }
    seen = eventually(lambda: _condition(rest.get(service) or {}, "Available"), 60, wanted=_is_true)
    assert seen == "True"


def test_a_scaled_object_of_anybodys_gets_ready_and_goes_again(rest: Rest) -> None:
    namespace, target, scaled = _objects(f"a1-smoke-{secrets.token_hex(4)}")
    with rest.applied(namespace, target, scaled):
        seen = eventually(lambda: _condition(rest.get(scaled) or {}, "Ready"), 60, wanted=_is_true)
        autoscaler = eventually(lambda: rest.get(_autoscaler(scaled)), 30)
    assert seen == "True"
    assert autoscaler, "KEDA has made no HorizontalPodAutoscaler"
    # KEDA lets the object go only once it has ended its work on it.
    assert eventually(lambda: rest.get(namespace) is None, 120)


def _objects(name: str) -> tuple[Manifest, Manifest, Manifest]:
    """Return a namespace, something in it that can be scaled and whose pods never run, and what scales it."""
    where = {"name": name, "namespace": name}
    labels = {"app.kubernetes.io/name": name}
    waiting = {"schedulingGates": [{"name": "a1platform.io/never"}]}
    pod = {**waiting, "containers": [{"name": "none", "image": "none.invalid/none:1"}]}
    target = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": where,
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    # One that asks nobody for its numbers.
    hours = {"timezone": "UTC", "start": "0 0 1 1 *", "end": "0 1 1 1 *", "desiredReplicas": "2"}
    scaled = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": where,
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicaCount": 2,
            "maxReplicaCount": 3,
            "triggers": [{"type": "cron", "metadata": hours}],
        },
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, target, scaled


def _autoscaler(scaled: Manifest) -> Manifest:
    where = {**scaled["metadata"], "name": f"keda-hpa-{scaled['metadata']['name']}"}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": where}


def _is_true(condition: str) -> bool:
    return condition == "True"


@pytest.fixture(scope="module")
def scaled(outputs: Outputs) -> set[str]:
    """The services that scale by a metric of their own."""
    return {entry.name for entry in CATALOG if entry.trigger and entry.name in outputs.services}


@_of_services
def test_every_service_with_a_metric_of_its_own_has_a_scaled_object_that_is_ready(
    api: kr8s.Api, scaled: set[str]
) -> None:
    assert GATEWAY in scaled

    def ready() -> dict[str, tuple[str, bool]]:
        found = listed(ScaledObject, api, namespace=NAMESPACE)
        # It stays unknown until KEDA has had a reason to look.
        return {
            one.name: (_condition(one.raw, "Ready"), _condition(one.raw, "Fallback") == "True")
            for one in found
        }

    wanted = dict.fromkeys(scaled, ("True", False))
    assert eventually(ready, 60, wanted=lambda seen: seen == wanted) == wanted


@pytest.mark.part("mcp-services", "monitoring")
def test_the_gateway_scales_from_2_to_10_pods_by_cpu_memory_and_requests_in_flight(api: kr8s.Api) -> None:
    spec = HorizontalPodAutoscaler.get(GATEWAY, namespace=NAMESPACE, api=api).raw["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    resources = {
        one["resource"]["name"]: one["resource"]["target"]["averageUtilization"]
        for one in spec["metrics"]
        if one["type"] == "Resource"
    }
    assert resources == {"cpu": 70, "memory": 80}
    [external] = [one["external"] for one in spec["metrics"] if one["type"] == "External"]
    assert external["target"]["averageValue"] == str(IN_FLIGHT_PER_POD)


@_of_services
def test_the_autoscaler_of_every_service_reads_all_of_its_metrics(api: kr8s.Api, outputs: Outputs) -> None:
    def unread() -> list[str]:
        found = {one.name: one.raw for one in listed(HorizontalPodAutoscaler, api, namespace=NAMESPACE)}
        missing = [f"{name}: no autoscaler" for name in outputs.services if name not in found]
        return missing + [f"{name}: {said}" for name, raw in found.items() if (said := _unread(raw))]

    assert eventually(unread, 90, wanted=lambda seen: not seen) == []


@_of_services
def test_no_workload_has_two_autoscalers(api: kr8s.Api) -> None:
    found = listed(HorizontalPodAutoscaler, api, namespace=NAMESPACE)
    targets = [one.raw["spec"]["scaleTargetRef"]["name"] for one in found]
    assert sorted(targets) == sorted(set(targets))


@_of_services
def test_every_service_runs_at_least_two_pods(api: kr8s.Api, outputs: Outputs) -> None:
    found = {one.name: one.raw["status"].get("availableReplicas", 0) for one in _deployments(api)}
    assert {name: found.get(name, 0) for name in outputs.services if found.get(name, 0) < 2} == {}


def _deployments(api: kr8s.Api) -> list[Deployment]:
    return listed(Deployment, api, namespace=NAMESPACE)


def _condition(raw: Manifest, kind: str) -> str:
    conditions = raw.get("status", {}).get("conditions", [])
    return next((one["status"] for one in conditions if one["type"] == kind), "not there")


def _unread(raw: Manifest) -> str:
    """Return why an autoscaler cannot do its work; empty when it can."""
    if _condition(raw, "ScalingActive") != "True":
        conditions = raw.get("status", {}).get("conditions", [])
        return next((one["message"] for one in conditions if one["type"] == "ScalingActive"), "not there")
    read, wanted = len(raw["status"].get("currentMetrics") or []), len(raw["spec"]["metrics"])
    return "" if read == wanted else f"reads {read} of {wanted} metrics"
