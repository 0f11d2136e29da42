"""The platform's Grafana dashboard, from the same objectives as the rules."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from a1platform.delivery.manifest import Manifest
from a1platform.observability.queries import FAILED
from a1platform.observability.slo import Objective, Slo

_DATASOURCE = {"type": "prometheus", "uid": "prometheus"}
_WIDTH, _HEIGHT = 8, 7
_TAG = "a1"
MARK = f'"tags": [\n    "{_TAG}"\n  ]'
"""What every dashboard's text holds that is made here."""
_COLUMNS = 24 // _WIDTH
"""Grafana's grid is 24 wide."""


@dataclass(frozen=True)
class Panel:
    """One graph.

    Attributes:
        title: What it shows.
        unit: Grafana's name of the unit, such as `reqps`.
        queries: PromQL by legend.
        threshold: Value above which it turns red.
        kind: Grafana's panel type.
    """

    title: str
    unit: str
    queries: dict[str, str]
    threshold: float | None = None
    kind: str = "timeseries"


def dashboards(objectives: Sequence[Objective], namespace: str) -> dict[str, Manifest]:
    """Return every dashboard by its file's name without `.json`.

    Args:
        objectives: The services and their promises.
        namespace: Where the services are.
    """
    strictest = min((one.slo for one in objectives), key=lambda slo: slo.p95_seconds, default=Slo())
    rows = {
        "Promises": _promises(strictest),
        "Calls": _calls(),
        "Pods and autoscaling": _pods(namespace),
        "Node": _node(),
    }
    return {"a1-orchestrator": _dashboard("a1-orchestrator", "A1 orchestrator", rows)}


def queries(dashboard: Manifest) -> list[str]:
    """Return every query of a dashboard, for a check that each finds data."""
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


def to_json(dashboard: Manifest) -> str:
    """Return a dashboard as Grafana reads it, the same bytes for the same dashboard."""
    return json.dumps(dashboard, indent=2, sort_keys=True) + "\n"


def _promises(slo: Slo) -> list[Panel]:
    every = "sum by (role) (rate(mcp_requests_total[5m]))"
    failed = f'sum by (role) (rate(mcp_requests_total{{outcome=~"{FAILED}"}}[5m]))'
    buckets = "sum by (le, role) (rate(mcp_request_duration_seconds_bucket[5m]))"
    ratio = f"({failed} or 0 * {every}) / {every}"
    return [
        Panel("Requests per second", "reqps", {"{{role}}": every}),
        Panel("Failed requests", "percentunit", {"{{role}}": ratio}, slo.error_ratio),
        Panel("Answers", "reqps", {"{{outcome}}": "sum by (outcome) (rate(mcp_requests_total[5m]))"}),
        Panel("P95", "s", {"{{role}}": f"histogram_quantile(0.95, {buckets})"}, slo.p95_seconds),
        Panel("P99", "s", {"{{role}}": f"histogram_quantile(0.99, {buckets})"}, slo.p99_seconds),
        Panel("Requests at once", "short", {"{{role}}": "sum by (role) (mcp_inflight_requests)"}),
    ]


def _calls() -> list[Panel]:
    decisions = "sum by (decision, rule) (rate(mcp_policy_decisions_total[5m]))"
    tools = "sum by (server, tool, outcome) (rate(mcp_tool_calls_total[5m]))"
    slowest = "histogram_quantile(0.95, sum by (le, tool) (rate(mcp_tool_call_duration_seconds_bucket[5m])))"
    return [
        Panel("Policy decisions", "ops", {"{{decision}} {{rule}}": decisions}),
        Panel("Tool calls", "ops", {"{{server}} {{tool}} {{outcome}}": tools}),
        Panel("Tools, P95", "s", {"{{tool}}": slowest}),
        Panel(
            "Spans received", "ops", {"{{service}}": "sum by (service) (rate(mcp_tracehub_spans_total[5m]))"}
        ),
        Panel(
            "Bytes", "Bps", {"{{role}} {{direction}}": "sum by (role, direction) (rate(mcp_bytes_total[5m]))"}
        ),
        Panel("Active workflow runs", "short", {"runs": "sum(mcp_workflow_active)"}),
    ]


def _pods(namespace: str) -> list[Panel]:
    here = f'namespace="{namespace}"'
    hpa = "{{horizontalpodautoscaler}}"
    return [
        Panel(
            "Pods that serve",
            "short",
            {"{{deployment}}": f"kube_deployment_status_replicas_available{{{here}}}"},
        ),
        Panel(
            "Pods wanted by the autoscaler",
            "short",
            {hpa: f"kube_horizontalpodautoscaler_status_desired_replicas{{{here}}}"},
        ),
        Panel(
            "Restarts in an hour",
            "short",
            {"{{pod}}": f"increase(kube_pod_container_status_restarts_total{{{here}}}[1h])"},
        ),
        Panel("CPU", "cores", {"{{job}}": f"sum by (job) (rate(process_cpu_seconds_total{{{here}}}[5m]))"}),
        Panel("Memory", "bytes", {"{{job}}": f"sum by (job) (process_resident_memory_bytes{{{here}}})"}),
        Panel("Targets up", "short", {"{{job}}": f"sum by (job) (up{{{here}}})"}),
    ]


def _node() -> list[Panel]:
    idle = 'avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))'
    free = "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"
    return [
        Panel("CPU in use", "percentunit", {"{{instance}}": f"1 - {idle}"}, 0.9),
        Panel("Memory in use", "percentunit", {"{{instance}}": f"1 - {free}"}, 0.9),
        Panel("Load", "short", {"{{instance}}": "node_load1"}),
    ]


def _dashboard(uid: str, title: str, rows: dict[str, list[Panel]]) -> Manifest:
    return {
        "uid": uid,
        "title": title,
        "tags": [_TAG],
        "schemaVersion": 39,
        "timezone": "utc",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "editable": False,
        "panels": list(_placed(rows)),
    }


def _placed(rows: dict[str, list[Panel]]) -> Iterator[Manifest]:
    number, top = 1, 0
    for title, panels in rows.items():
        place = {"x": 0, "y": top, "w": 24, "h": 1}
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": place,
            "panels": [],
        }
        number, top = number + 1, top + 1
        for index, panel in enumerate(panels):
            line, column = divmod(index, _COLUMNS)
            place = {"x": column * _WIDTH, "y": top + line * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            number += 1
        top += -(-len(panels) // _COLUMNS) * _HEIGHT


def _panel(panel: Panel) -> Manifest:
    steps: list[Manifest] = [{"color": "green", "value": None}]
    if panel.threshold is not None:
        steps.append({"color": "red", "value": panel.threshold})
    return {
        "type": panel.kind,
        "title": panel.title,
        "datasource": _DATASOURCE,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expr, "legendFormat": legend, "datasource": _DATASOURCE}
            for index, (legend, expr) in enumerate(panel.queries.items())
        ],
    }
