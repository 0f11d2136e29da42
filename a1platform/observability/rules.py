"""Recording and alerting rules from the objectives."""

from collections.abc import Sequence
from dataclasses import dataclass

from a1platform.delivery.manifest import Manifest
from a1platform.naming import PART_OF
from a1platform.observability import queries
from a1platform.observability.slo import BURN_WINDOWS, WINDOWS, BurnWindow, Objective


def prometheus_rule(name: str, namespace: str, objectives: Sequence[Objective]) -> Manifest:
    """Return one PrometheusRule with a group of recordings and a group of alerts for each service.

    Args:
        name: Name of the object.
        namespace: Where it is, and where the services are.
        objectives: The services and their promises.
    """
    groups = []
    for objective in objectives:
        groups.append({"name": f"{objective.service}.recordings", "rules": recordings(objective)})
        groups.append({"name": f"{objective.service}.alerts", "rules": alerts(objective, namespace)})
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": PART_OF}},
        "spec": {"groups": groups},
    }


def recordings(objective: Objective) -> list[Manifest]:
    """Return what is computed once: the request rate, the error ratio of each window, two latencies."""
    role = objective.role
    expressions = {"mcp:requests:rate5m": queries.request_rate(role, "5m")}
    expressions |= {f"mcp:errors:ratio{window}": queries.error_ratio(role, window) for window in WINDOWS}
    expressions |= {
        "mcp:latency_seconds:p95": queries.latency(role, 0.95),
        "mcp:latency_seconds:p99": queries.latency(role, 0.99),
    }
    labels = {"service": objective.service}
    return [{"record": record, "expr": expr, "labels": labels} for record, expr in expressions.items()]


@dataclass(frozen=True)
class _Alert:
    name: str
    expr: str
    lasting: str
    level: str
    summary: str

    def rule(self, service: str) -> Manifest:
        severity = "critical" if self.level == "emergency" else "warning"
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasting,
            "labels": {"severity": severity, "escalation": self.level, "service": service},
            "annotations": {"summary": self.summary},
        }


def alerts(objective: Objective, namespace: str) -> list[Manifest]:
    """Return what somebody is told: a burning budget, errors, slowness, pods that are missing."""
    return [
        alert.rule(objective.service)
        for alert in (
            *(_burn(objective, window) for window in BURN_WINDOWS),
            *_promises(objective),
            *_pods(objective, namespace),
        )
    ]


def _burn(objective: Objective, window: BurnWindow) -> _Alert:
    limit = f"{window.factor * objective.slo.error_budget:g}"
    expr = " and ".join(
        f'mcp:errors:ratio{span}{{service="{objective.service}"}} > {limit}'
        for span in (window.long, window.short)
    )
    level = window.level if objective.critical else "first"
    summary = f"{objective.service} burns its error budget {window.factor:g} times too fast"
    return _Alert(f"McpErrorBudgetBurn{window.name}", expr, "2m", level, summary)


def _promises(objective: Objective) -> list[_Alert]:
    service, slo = objective.service, objective.slo
    recorded = f'{{service="{service}"}}'
    limits = {
        "McpErrorRate": (
            "errors:ratio5m",
            slo.error_ratio,
            f"fails over {slo.error_ratio:.0%} of its requests",
        ),
        "McpLatencyP95": ("latency_seconds:p95", slo.p95_seconds, f"has a P95 above {slo.p95_seconds:g} s"),
        "McpLatencyP99": ("latency_seconds:p99", slo.p99_seconds, f"has a P99 above {slo.p99_seconds:g} s"),
    }
    return [
        _Alert(name, f"mcp:{record}{recorded} > {limit:g}", "10m", "first", f"{service} {what}")
        for name, (record, limit, what) in limits.items()
    ]


def _pods(objective: Objective, namespace: str) -> list[_Alert]:
    service = objective.service
    deployment = f'{{namespace="{namespace}",deployment="{service}"}}'
    return [
        _Alert(
            "McpServiceDown",
            f"kube_deployment_status_replicas_available{deployment} < 1",
            "1m",
            "emergency" if objective.critical else "first",
            f"{service} has no pod that serves",
        ),
        _Alert(
            "McpReplicasMissing",
            f"kube_deployment_status_replicas_unavailable{deployment} > 0",
            "15m",
            "second",
            f"{service} has missed pods for 15 minutes",
        ),
    ]
