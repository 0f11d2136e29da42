"""KEDA: the services scale by CPU, by memory and by what they are asked."""

import kr8s
import pytest
from kr8s.objects import Deployment, HorizontalPodAutoscaler, new_class

from a1platform.services.catalog import CATALOG, GATEWAY, REQUESTS_PER_POD
from a1platform.services.resolve import NAMESPACE
from tests.smoke.conftest import Outputs, listed
from tests.smoke.rest import Manifest
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.smoke, pytest.mark.part("keda", "mcp-services")]

ScaledObject = new_class("ScaledObject", "keda.sh/v1alpha1", asyncio=False, namespaced=True)


@pytest.fixture(scope="module")
def scaled(outputs: Outputs) -> set[str]:
    """The services that scale by a metric of their own."""
    return {entry.name for entry in CATALOG if entry.trigger and entry.name in outputs.services}


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


def test_the_gateway_scales_from_2_to_10_pods_by_cpu_memory_and_requests(api: kr8s.Api) -> None:
    spec = HorizontalPodAutoscaler.get(GATEWAY, namespace=NAMESPACE, api=api).raw["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    resources = {
        one["resource"]["name"]: one["resource"]["target"]["averageUtilization"]
        for one in spec["metrics"]
        if one["type"] == "Resource"
    }
    assert resources == {"cpu": 70, "memory": 80}
    [external] = [one["external"] for one in spec["metrics"] if one["type"] == "External"]
    assert external["target"]["averageValue"] == str(REQUESTS_PER_POD)


def test_the_autoscaler_of_every_service_reads_all_of_its_metrics(api: kr8s.Api, outputs: Outputs) -> None:
    def unread() -> list[str]:
        found = {one.name: one.raw for one in listed(HorizontalPodAutoscaler, api, namespace=NAMESPACE)}
        missing = [f"{name}: no autoscaler" for name in outputs.services if name not in found]
        return missing + [f"{name}: {said}" for name, raw in found.items() if (said := _unread(raw))]

    assert eventually(unread, 90, wanted=lambda seen: not seen) == []


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
