"""Prometheus and what belongs to it: every target answers, no rule is in error, an alert arrives."""

import asyncio
import json
import math
import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import kr8s
import pytest
import yaml

from a1platform.delivery.argocd import ROOT
from a1platform.naming import PROJECT
from a1platform.observability.dashboards import queries
from a1platform.observability.delivery_alerts import APPLICATIONS, delivery_alerts
from a1platform.observability.delivery_alerts import GROUP as DELIVERY
from a1platform.observability.policy_alerts import GROUP, STALE_SECONDS, policy_alerts
from a1platform.platform.monitoring import PORT
from a1platform.platform.namespaces import PROMETHEUS
from a1platform.services.resolve import NAMESPACE
from tests.smoke.conftest import Outputs
from tests.smoke.gitops import delivers
from tests.smoke.reach import Connect, reached
from tests.smoke.rest import Manifest, Rest
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.smoke, pytest.mark.part("monitoring")]
pytest_plugins = ["tests.smoke.mcp_client"]

DASHBOARDS = sorted((Path(__file__).parents[2] / "dashboards").glob("*.json"))
_ALERTMANAGER = "kps-alertmanager"
_ALERTMANAGER_PORT = 9093
_STACK = {
    "alertmanager": "alertmanager",
    "API server": "apiserver",
    "name server": "coredns",
    "kubelet": "kubelet",
    "kube-state-metrics": "kube-state-metrics",
    "node-exporter": "node-exporter",
    "operator": "operator",
    "Prometheus": "prometheus",
}
"""What is looked at beside the services, and what its job's name holds."""


@pytest.fixture(scope="module")
def prometheus(api: kr8s.Api) -> Iterator[httpx2.Client]:
    """Prometheus behind the Service that everybody knows it by."""
    with reached(api, PROMETHEUS, "prometheus", PORT) as url, httpx2.Client(base_url=url, timeout=30) as http:
        yield http


@pytest.fixture(scope="module")
def alertmanager(api: kr8s.Api) -> Iterator[httpx2.Client]:
    """Alertmanager."""
    with (
        reached(api, PROMETHEUS, _ALERTMANAGER, _ALERTMANAGER_PORT) as url,
        httpx2.Client(base_url=url, timeout=30) as http,
    ):
        yield http


def test_every_target_is_up(prometheus: httpx2.Client) -> None:
    def down() -> list[str]:
        targets = _asked(prometheus, "targets", state="active")["activeTargets"]
        return [f"{one['scrapeUrl']}: {one['lastError']}" for one in targets if one["health"] != "up"]

    # A target that has just come is unknown until it was asked for the first time.
    assert eventually(down, 90, wanted=lambda seen: not seen, every=3) == []


def test_the_stack_itself_and_the_cluster_are_targets(prometheus: httpx2.Client) -> None:
    jobs = {one["labels"]["job"] for one in _asked(prometheus, "targets", state="active")["activeTargets"]}
    missing = [name for name, part in _STACK.items() if not any(part in job for job in jobs)]
    assert missing == [], jobs


@pytest.mark.part("mcp-services")
def test_every_service_is_a_target(prometheus: httpx2.Client, outputs: Outputs) -> None:
    def targets() -> set[str]:
        active = _asked(prometheus, "targets", state="active")["activeTargets"]
        return {one["labels"]["job"] for one in active if one["labels"].get("namespace") == NAMESPACE}

    wanted = set(outputs.services)
    assert eventually(targets, 60, wanted=lambda seen: seen == wanted) == wanted


def test_no_rule_is_in_error(prometheus: httpx2.Client) -> None:
    rules = [rule for group in _asked(prometheus, "rules")["groups"] for rule in group["rules"]]
    assert rules
    assert [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] == "err"] == []


@pytest.mark.part("mcp-services")
def test_the_rules_of_the_services_are_loaded(prometheus: httpx2.Client) -> None:
    groups = {group["name"] for group in _asked(prometheus, "rules")["groups"]}
    assert any(name.startswith("mcp-gateway") for name in groups), groups


@pytest.fixture
def _policies(stack_file: Path) -> None:
    """Skip what asks for policies where the stack has none."""
    config = yaml.safe_load(stack_file.read_text(encoding="utf-8"))["config"]
    if not config.get(f"{PROJECT}:policies", {}).get("enabled", True):
        pytest.skip(f"the stack has {PROJECT}:policies.enabled: false")


@pytest.mark.part("gatekeeper")
@pytest.mark.usefixtures("_policies")
def test_what_the_audit_of_the_policies_counts_and_when_it_ended_are_metrics(
    prometheus: httpx2.Client,
) -> None:
    recent = f"time() - max(gatekeeper_audit_last_run_end_time) < {STALE_SECONDS}"
    actions = [f'gatekeeper_violations{{enforcement_action="{one}"}}' for one in ("deny", "warn", "dryrun")]

    def missing() -> list[str]:
        return [query for query in (recent, *actions) if not _numbers(prometheus, query)]

    # The audit takes its first turn a minute after its start, and Prometheus looks twice a minute.
    assert eventually(missing, 180, wanted=lambda seen: not seen, every=5) == []


@pytest.mark.part("gatekeeper")
@pytest.mark.usefixtures("_policies")
def test_the_alerts_of_the_policies_are_loaded_and_evaluated(prometheus: httpx2.Client) -> None:
    _are_loaded(prometheus, GROUP, policy_alerts())


@pytest.mark.part("argo-cd")
def test_the_alert_on_what_argo_cd_does_not_deliver_is_loaded_and_asks_for_what_is_there(
    prometheus: httpx2.Client, stack_file: Path, outputs: Outputs
) -> None:
    _are_loaded(prometheus, DELIVERY, delivery_alerts())
    if not delivers(stack_file, outputs):
        return
    # Label by label, as a metric without one of them would match nothing, or everything.
    query = f'count({APPLICATIONS},health_status!="",sync_status!=""}})'
    wanted = len({ROOT, "shared", *outputs.services})

    def seen() -> list[float]:
        return _numbers(prometheus, query)

    found = eventually(seen, 120, wanted=lambda counts: max(counts, default=0) >= wanted, every=3)
    assert max(found, default=0) >= wanted


def _are_loaded(prometheus: httpx2.Client, group: str, alerts: Sequence[Manifest]) -> None:
    wanted = {one["alert"]: "ok" for one in alerts}

    def loaded() -> dict[str, str]:
        groups = _asked(prometheus, "rules")["groups"]
        rules = [rule for one in groups if one["name"] == group for rule in one["rules"]]
        return {rule["name"]: rule["health"] for rule in rules}

    # Of a rule that has just come nothing is known until its group's turn.
    assert eventually(loaded, 120, wanted=lambda seen: seen == wanted, every=3) == wanted


@pytest.fixture
def alert(rest: Rest, alertmanager: httpx2.Client) -> Iterator[str]:
    """A rule whose alert fires at once, and that nobody is told of: it is silenced before it is there."""
    name = f"A1Smoke{secrets.token_hex(4)}"
    now = datetime.now(UTC)
    silence = alertmanager.post(
        "/api/v2/silences",
        json={
            "matchers": [{"name": "alertname", "value": name, "isRegex": False, "isEqual": True}],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(minutes=10)).isoformat(),
            "createdBy": "a1-smoke",
            "comment": "the smoke suite's own alert",
        },
    ).raise_for_status()
    rule: Manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name.lower(), "namespace": PROMETHEUS},
        "spec": {"groups": [{"name": name, "rules": [{"alert": name, "expr": "vector(1)"}]}]},
    }
    with rest.applied(rule):
        yield name
    alertmanager.delete(f"/api/v2/silence/{silence.json()['silenceID']}")


def test_an_alert_of_a_new_rule_reaches_alertmanager(alert: str, alertmanager: httpx2.Client) -> None:
    def arrived() -> list[Any]:
        query = {"filter": f'alertname="{alert}"', "silenced": "true"}
        found: list[Any] = alertmanager.get("/api/v2/alerts", params=query).raise_for_status().json()
        return found

    # The operator writes the rule, the kubelet brings it, Prometheus reads it, and its group takes its turn.
    seen = eventually(arrived, 210, every=3)
    assert [one["labels"]["alertname"] for one in seen] == [alert]
    assert seen[0]["status"]["state"] == "suppressed"


def test_the_alert_that_always_fires_is_there(alertmanager: httpx2.Client) -> None:
    alerts = alertmanager.get("/api/v2/alerts").raise_for_status().json()
    assert "Watchdog" in {one["labels"]["alertname"] for one in alerts}


@pytest.mark.part("mcp-services")
@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
async def test_every_query_of_a_dashboard_finds_data(
    path: Path, prometheus: httpx2.Client, connect: Connect
) -> None:
    asked = queries(json.loads(path.read_text(encoding="utf-8")))
    assert asked
    without_data = asked
    until = time.monotonic() + 120
    async with connect() as client:
        while without_data and time.monotonic() < until:
            # A counter is there once something was counted, and its rate once more was counted.
            await client.call_tool("example__echo", {"text": "hello"})
            without_data = [query for query in asked if not _numbers(prometheus, query)]
            if without_data:
                await asyncio.sleep(5)
    assert without_data == []


def _numbers(prometheus: httpx2.Client, query: str) -> list[float]:
    """Return what a query finds, without what is no number, such as the quantile of nothing."""
    found = [float(one["value"][1]) for one in _asked(prometheus, "query", query=query)["result"]]
    return [one for one in found if math.isfinite(one)]


def _asked(prometheus: httpx2.Client, what: str, **query: str) -> dict[str, Any]:
    answer = prometheus.get(f"/api/v1/{what}", params=query).json()
    assert answer["status"] == "success", answer.get("error")
    data: dict[str, Any] = answer["data"]
    return data
