"""What a part has been told is still there after its pod was taken away: it lies on a volume."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import kr8s
import pytest
from kr8s.objects import Pod, Service

from a1platform.platform import tracing
from a1platform.platform.monitoring import PORT
from a1platform.platform.namespaces import PROMETHEUS, TRACING
from tests.smoke.conftest import listed
from tests.smoke.reach import reached, ready_pod
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.disruptive, pytest.mark.timeout(900)]

_ALERTMANAGER, _ALERTMANAGER_PORT = "kps-alertmanager", 9093
_BACK_SECONDS = 300


@pytest.fixture
def parts(told: dict[str, object]) -> dict[str, str]:
    """What is installed, and from what."""
    found = told["parts"]
    assert isinstance(found, dict)
    return found


def _needs(parts: dict[str, str], name: str) -> None:
    said = parts.get(name, "left out: off by default")
    if said.startswith("left out"):
        pytest.skip(f"{name} is {said}")


@contextmanager
def _asked(api: kr8s.Api, namespace: str, name: str, port: int) -> Iterator[httpx2.Client]:
    with reached(api, namespace, name, port) as url, httpx2.Client(base_url=url, timeout=30) as http:
        yield http


def _take_away(api: kr8s.Api, namespace: str, name: str) -> None:
    """Delete the pod behind a Service, and wait for another one that is ready."""
    selector = dict(Service.get(name, namespace=namespace, api=api).raw["spec"]["selector"])
    gone = ready_pod(api, namespace, selector)
    uid = gone.raw["metadata"]["uid"]
    gone.delete()

    def back() -> list[str]:
        return [
            pod.name for pod in listed(Pod, api, namespace=namespace, label_selector=selector) if _new(pod)
        ]

    def _new(pod: Pod) -> bool:
        ready = [one for one in pod.raw["status"].get("conditions", []) if one["type"] == "Ready"]
        return bool(ready) and ready[0]["status"] == "True" and pod.raw["metadata"]["uid"] != uid

    assert eventually(back, _BACK_SECONDS, every=2), f"no other pod of {name} got ready"


def test_prometheus_keeps_its_samples(api: kr8s.Api, parts: dict[str, str]) -> None:
    _needs(parts, "monitoring")
    query = {"query": "prometheus_tsdb_head_series", "time": str(time.time() - 60)}

    def value() -> list[Any]:
        with _asked(api, PROMETHEUS, "prometheus", PORT) as http:
            answer = http.get("/api/v1/query", params=query).raise_for_status().json()
        return [one["value"] for one in answer["data"]["result"]]

    before = value()
    assert before
    _take_away(api, PROMETHEUS, "prometheus")
    assert value() == before


def test_alertmanager_keeps_its_silences(api: kr8s.Api, parts: dict[str, str]) -> None:
    _needs(parts, "monitoring")
    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "alertname", "value": secrets.token_hex(4), "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=10)).isoformat(),
        "createdBy": "a1-disruptive",
        "comment": "kept over a restart",
    }
    with _asked(api, PROMETHEUS, _ALERTMANAGER, _ALERTMANAGER_PORT) as http:
        made = http.post("/api/v2/silences", json=silence).raise_for_status().json()["silenceID"]
    _take_away(api, PROMETHEUS, _ALERTMANAGER)
    with _asked(api, PROMETHEUS, _ALERTMANAGER, _ALERTMANAGER_PORT) as http:
        assert http.get(f"/api/v2/silence/{made}").raise_for_status().json()["status"]["state"] == "active"
        http.delete(f"/api/v2/silence/{made}").raise_for_status()


def test_jaeger_keeps_its_traces(api: kr8s.Api, parts: dict[str, str]) -> None:
    _needs(parts, "tracing")
    trace, now = secrets.token_hex(16), time.time_ns()
    span = {
        "traceId": trace,
        "spanId": secrets.token_hex(8),
        "name": "kept over a restart",
        "kind": 1,
        "startTimeUnixNano": str(now - 1_000_000),
        "endTimeUnixNano": str(now),
    }
    service = {"key": "service.name", "value": {"stringValue": "a1-disruptive"}}
    sent = {"resourceSpans": [{"resource": {"attributes": [service]}, "scopeSpans": [{"spans": [span]}]}]}
    with _asked(api, TRACING, tracing.NAME, tracing.OTLP_PORT) as http:
        http.post("/v1/traces", json=sent).raise_for_status()

    def found() -> int:
        with _asked(api, TRACING, tracing.NAME, tracing.QUERY_PORT) as http:
            answer = http.get(f"/api/traces/{trace}")
        return len(answer.json()["data"][0]["spans"]) if answer.status_code == httpx2.codes.OK else 0

    assert eventually(found, 60, every=3) == 1
    _take_away(api, TRACING, tracing.NAME)
    assert found() == 1
