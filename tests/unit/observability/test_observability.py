"""Promises, rules, dashboards and escalation say the same, and ask only for what exists."""

import re

import pytest
from mcp_services.core import metrics
from prometheus_client import REGISTRY

from a1platform.observability import queries
from a1platform.observability.dashboards import dashboards
from a1platform.observability.dashboards import queries as dashboard_queries
from a1platform.observability.escalation import LEVELS, alertmanager_config
from a1platform.observability.rules import alerts, prometheus_rule, recordings
from a1platform.observability.slo import WINDOWS, Objective, Slo
from a1platform.services.catalog import CATALOG
from a1platform.services.resolve import resolve
from a1platform.services.shared import objectives
from a1platform.settings.services import ServicesSettings

NAMESPACE = "a1-orchestrator"
OBJECTIVES = objectives(resolve(ServicesSettings()))
FOREIGN = {
    "up",
    "kube_deployment_status_replicas_available",
    "kube_deployment_status_replicas_unavailable",
    "kube_horizontalpodautoscaler_status_desired_replicas",
    "kube_pod_container_status_restarts_total",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "node_cpu_seconds_total",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
    "node_load1",
}
"""Of Prometheus, kube-state-metrics, the Python client and node-exporter."""
_NAME = re.compile(r"\b(?:mcp|kube|node|process)[_:][A-Za-z0-9_:]+|\bup\b")


def _exposed() -> set[str]:
    assert metrics.REQUESTS
    families = [family for family in REGISTRY.collect() if family.name.startswith("mcp_")]
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {f"{family.name}{suffix}" for family in families for suffix in suffixes[family.type]}


def _asked(expressions: list[str]) -> set[str]:
    return {name for expr in expressions for name in _NAME.findall(re.sub(r'"[^"]*"', "", expr))}


def test_every_service_of_the_platform_promises_what_the_readme_does() -> None:
    assert [one.service for one in OBJECTIVES] == [one.name for one in CATALOG if not one.example]
    assert {one.slo for one in OBJECTIVES} == {Slo(0.999, 0.5, 1.0, 0.01)}


def test_rules_ask_only_for_metrics_that_exist_or_are_recorded() -> None:
    for objective in OBJECTIVES:
        recorded = {one["record"] for one in recordings(objective)}
        asked = _asked([one["expr"] for one in (*recordings(objective), *alerts(objective, NAMESPACE))])
        assert asked <= recorded | _exposed() | FOREIGN


def test_dashboards_ask_only_for_metrics_that_exist() -> None:
    (dashboard,) = dashboards(OBJECTIVES, NAMESPACE).values()
    asked = _asked(dashboard_queries(dashboard))
    assert asked <= _exposed() | FOREIGN
    assert {"mcp_requests_total", "kube_deployment_status_replicas_available", "node_load1"} <= asked


def test_business_metrics_that_scale_a_service_exist() -> None:
    asked = _asked([one.trigger.query for one in CATALOG if one.trigger])
    assert asked == {"mcp_inflight_requests", "mcp_tracehub_spans_total"}
    assert asked <= _exposed()


def test_panels_neither_overlap_nor_share_a_number() -> None:
    (dashboard,) = dashboards(OBJECTIVES, NAMESPACE).values()
    cells = [
        (x, y)
        for place in (one["gridPos"] for one in dashboard["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    numbers = [one["id"] for one in dashboard["panels"]]
    assert len(numbers) == len(set(numbers))


def test_every_alert_names_its_service_and_a_level_of_the_escalation_path() -> None:
    rule = prometheus_rule("a1-objectives", NAMESPACE, OBJECTIVES)
    found = [one for group in rule["spec"]["groups"] for one in group["rules"] if "alert" in one]
    assert {one["labels"]["escalation"] for one in found} <= LEVELS.keys()
    assert {one["labels"]["service"] for one in found} == {one.service for one in OBJECTIVES}


def test_a_budget_burns_fast_at_14_4_times_the_sustainable_rate_over_both_windows() -> None:
    fast = next(one for one in alerts(OBJECTIVES[0], NAMESPACE) if one["alert"] == "McpErrorBudgetBurnFast")
    assert fast["expr"] == (
        'mcp:errors:ratio1h{service="mcp-gateway"} > 0.0144'
        ' and mcp:errors:ratio5m{service="mcp-gateway"} > 0.0144'
    )


def test_every_window_that_an_alert_looks_at_is_recorded() -> None:
    recorded = {one["record"] for one in recordings(OBJECTIVES[0])}
    assert {f"mcp:errors:ratio{window}" for window in WINDOWS} <= recorded


def test_only_an_outage_of_a_critical_service_wakes_somebody_at_once() -> None:
    minor = Objective("mcp-config", "mcp-config", Slo(), critical=False)
    assert "emergency" not in {one["labels"]["escalation"] for one in alerts(minor, NAMESPACE)}
    assert "emergency" in {one["labels"]["escalation"] for one in alerts(OBJECTIVES[0], NAMESPACE)}


def test_a_refused_or_limited_request_is_no_failure() -> None:
    assert not {"denied", "unauthorized", "limited", "client_error", "ok"} & set(queries.FAILED.split("|"))


def test_each_level_has_a_route_and_a_receiver_and_an_emergency_does_not_wait() -> None:
    config = alertmanager_config({"first": "/etc/hooks/first"})
    receivers = {one["name"]: one for one in config["receivers"]}
    assert [one["receiver"] for one in config["route"]["routes"]] == list(LEVELS) == list(receivers)
    assert receivers["first"]["webhook_configs"][0]["url_file"] == "/etc/hooks/first"
    waits = {one["receiver"]: one["group_wait"] for one in config["route"]["routes"]}
    assert [level for level, wait in waits.items() if wait == "0s"] == ["emergency"]


def test_a_webhook_of_no_level_is_refused() -> None:
    with pytest.raises(ValueError, match="fourth is no level"):
        alertmanager_config({"fourth": "/etc/hooks/fourth"})
