"""Trivy Operator: it has scanned something, and Prometheus knows of it."""

from collections.abc import Iterator
from typing import Any

import httpx2
import kr8s
import pytest
from kr8s.objects import new_class

from a1platform.platform.monitoring import PORT
from a1platform.platform.namespaces import PROMETHEUS
from tests.smoke.conftest import listed
from tests.smoke.reach import reached
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.smoke, pytest.mark.part("image-scanning"), pytest.mark.timeout(1200)]

_FIRST_REPORT_SECONDS = 900
"""A scan downloads the database first, and there is one at a time."""

VulnerabilityReport = new_class(
    "VulnerabilityReport", "aquasecurity.github.io/v1alpha1", asyncio=False, namespaced=True
)


@pytest.fixture(scope="module")
def prometheus(api: kr8s.Api) -> Iterator[httpx2.Client]:
    """Prometheus."""
    with reached(api, PROMETHEUS, "prometheus", PORT) as url, httpx2.Client(base_url=url, timeout=30) as http:
        yield http


def test_images_of_workloads_are_reported_on(api: kr8s.Api) -> None:
    def reports() -> list[Any]:
        return listed(VulnerabilityReport, api, namespace=kr8s.ALL)

    assert eventually(reports, _FIRST_REPORT_SECONDS, every=10)


@pytest.mark.part("monitoring")
def test_findings_are_counted_and_the_alert_is_loaded(prometheus: httpx2.Client) -> None:
    def counted() -> list[Any]:
        query = {"query": "count(trivy_image_vulnerabilities)"}
        found: list[Any] = prometheus.get("/api/v1/query", params=query).json()["data"]["result"]
        return found

    assert eventually(counted, _FIRST_REPORT_SECONDS, every=10)
    groups = prometheus.get("/api/v1/rules").json()["data"]["groups"]
    (group,) = [one for one in groups if one["name"] == "image-scanning"]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
