"""Each service has what a service of the platform has; what each object does is seen elsewhere."""

from typing import Any

import kr8s
import pytest
from kr8s.objects import (
    Deployment,
    HorizontalPodAutoscaler,
    NetworkPolicy,
    PodDisruptionBudget,
    ResourceQuota,
    Service,
    new_class,
)

from a1platform.services.catalog import CATALOG
from a1platform.services.resolve import NAMESPACE
from tests.smoke.conftest import Outputs, listed

pytestmark = [pytest.mark.smoke, pytest.mark.part("mcp-services")]

_FIVE = [entry.name for entry in CATALOG if not entry.example]
_KINDS = {
    "Deployment": Deployment,
    "Service": Service,
    # KEDA makes one from each ScaledObject.
    "autoscaler": HorizontalPodAutoscaler,
    "NetworkPolicy": NetworkPolicy,
    "PodDisruptionBudget": PodDisruptionBudget,
    "ExternalSecret": new_class("ExternalSecret", "external-secrets.io/v1", asyncio=False, namespaced=True),
}
ServiceMonitor = new_class("ServiceMonitor", "monitoring.coreos.com/v1", asyncio=False, namespaced=True)


@pytest.mark.parametrize("kind", _KINDS)
def test_each_of_the_five_services_has_its_own(kind: str, api: kr8s.Api, outputs: Outputs) -> None:
    assert set(_FIVE) <= set(outputs.services)
    assert _without(_KINDS[kind], api) == []


@pytest.mark.part("monitoring")
def test_each_of_the_five_services_has_its_own_monitor(api: kr8s.Api) -> None:
    assert _without(ServiceMonitor, api) == []


def test_no_service_has_pods_that_are_missing(api: kr8s.Api) -> None:
    status = {one.name: one.raw["status"] for one in listed(Deployment, api, namespace=NAMESPACE)}
    missing = {name: status[name].get("unavailableReplicas", 0) for name in _FIVE}
    assert missing == dict.fromkeys(_FIVE, 0)


def test_the_quota_has_room_for_every_service_with_its_most_pods(api: kr8s.Api) -> None:
    quotas = [one for one in listed(ResourceQuota, api, namespace=NAMESPACE) if one.name == "services"]
    if not quotas:
        pytest.skip("services.quota is off")
    hard = quotas[0].raw["status"]["hard"]
    most = {
        one.raw["spec"]["scaleTargetRef"]["name"]: one.raw["spec"]["maxReplicas"]
        for one in listed(HorizontalPodAutoscaler, api, namespace=NAMESPACE)
    }
    assert set(_FIVE) <= set(most)
    asked = {
        one.name: one.raw["spec"]["template"]["spec"]["containers"][0]["resources"]
        for one in listed(Deployment, api, namespace=NAMESPACE)
    }
    assert sum(most.values()) <= int(hard["pods"])
    for kind in ("requests", "limits"):
        for resource in ("cpu", "memory"):
            wanted = sum(pods * _amount(asked[name][kind][resource]) for name, pods in most.items())
            assert wanted <= _amount(hard[f"{kind}.{resource}"])


def _amount(quantity: str) -> float:
    units = {"m": 0.001, "Mi": 2.0**20, "Gi": 2.0**30}
    for unit, factor in units.items():
        if quantity.endswith(unit):
            return float(quantity.removesuffix(unit)) * factor
    return float(quantity)


def _without(kind: Any, api: kr8s.Api) -> list[str]:  # noqa: ANN401 - kr8s has no common base
    there = {one.name for one in listed(kind, api, namespace=NAMESPACE)}
    return [name for name in _FIVE if name not in there]
