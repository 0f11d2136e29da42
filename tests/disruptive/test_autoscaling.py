"""The autoscaler of a service sees real numbers, adds pods under load and takes them away again."""

from typing import Any

import kr8s
import pytest
from kr8s.objects import Deployment, HorizontalPodAutoscaler

from a1platform.services.catalog import GATEWAY
from a1platform.services.resolve import NAMESPACE
from tests.disruptive.traffic import traffic
from tests.smoke.conftest import Outputs
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.disruptive, pytest.mark.timeout(3600)]

_AT_REST_SECONDS = 1200
"""Five minutes in which no more pods may have been wanted, then a minute for each pod."""
_OUT_SECONDS = 300


def test_the_gateway_gets_pods_under_load_and_loses_them_after_it(api: kr8s.Api, outputs: Outputs) -> None:
    least, most = _spec(api)["minReplicas"], _spec(api)["maxReplicas"]
    assert _eventually_has(api, least, _AT_REST_SECONDS) == least, "an earlier load has left more pods"
    busy = _cpu(api)
    assert busy is not None, "metrics-server gives the autoscaler no number"
    with traffic(api, outputs.api_key):
        seen = eventually(lambda: _cpu(api) or 0, _OUT_SECONDS, wanted=lambda percent: percent > 70)
        assert seen > max(busy, 70), f"under load the autoscaler sees {seen} % of the CPU, at rest {busy} %"
        grown = eventually(lambda: _available(api), _OUT_SECONDS, wanted=lambda pods: pods > least)
        assert least < grown <= most
    assert _eventually_has(api, least, _AT_REST_SECONDS) == least
    assert _available(api) == least


def _hpa(api: kr8s.Api) -> dict[str, Any]:
    raw: dict[str, Any] = HorizontalPodAutoscaler.get(GATEWAY, namespace=NAMESPACE, api=api).raw
    return raw


def _spec(api: kr8s.Api) -> dict[str, Any]:
    spec: dict[str, Any] = _hpa(api)["spec"]
    return spec


def _cpu(api: kr8s.Api) -> int | None:
    """Return the CPU that the pods use, in per cent of what they request; None where nobody measures it."""
    for one in _hpa(api)["status"].get("currentMetrics") or []:
        if one.get("resource", {}).get("name") == "cpu":
            percent: int | None = one["resource"]["current"].get("averageUtilization")
            return percent
    return None


def _available(api: kr8s.Api) -> int:
    raw = Deployment.get(GATEWAY, namespace=NAMESPACE, api=api).raw
    return int(raw["status"].get("availableReplicas", 0))


def _eventually_has(api: kr8s.Api, pods: int, seconds: float) -> int:
    """Return how many pods are wanted once that is as many as these, or when the time is over."""

    def wanted() -> int:
        return int(Deployment.get(GATEWAY, namespace=NAMESPACE, api=api).raw["spec"]["replicas"])

    return eventually(wanted, seconds, wanted=lambda seen: seen == pods, every=5)
