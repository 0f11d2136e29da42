"""Recording and alerting rules from the objectives."""

from collections.abc import Sequence

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


def alerts(objective: Objective, namespace: str) -> list[Manifest]:
    """Return what somebody is told: a burning budget, errors, slowness, pods that are missing."""
    service, slo = objective.service, objective.slo
    recorded = f'{{service="{service}"}}'
    deployment = f'{{namespace="{namespace}",deployment="{service}"}}'
    outage = "emergency" if objective.critical else "first"
    return [
        *(_burn(objective, window) for window in BURN_WINDOWS),
        _alert(
            "McpErrorRate",
            objective,
            f"mcp:errors:ratio5m{recorded} > {slo.error_ratio:g}",
            "5m",
            "first",
            f"{service} fails more than {slo.error_ratio:.0%} of its requests",
        ),
        _alert(
            "McpLatencyP95",
            objective,
            f"mcp:latency_seconds:p95{recorded} > {slo.p95_seconds:g}",
            "10m",
            "first",
            f"{service} answers 5 of 100 requests later than {slo.p95_seconds:g} s",
        ),
        _alert(
            "McpLatencyP99",
            objective,
            f"mcp:latency_seconds:p99{recorded} > {slo.p99_seconds:g}",
            "10m",
            "first",
            f"{service} answers 1 of 100 requests later than {slo.p99_seconds:g} s",
        ),
        _alert(
            "McpServiceDown",
            objective,
            f"kube_deployment_status_replicas_available{deployment} < 1",
            "1m",
            outage,
            f"{service} has no pod that serves",
        ),
        _alert(
            "McpReplicasMissing",
            objective,
            f"kube_deployment_status_replicas_unavailable{deployment} > 0",
            "15m",
            "second",
            f"{service} misses pods for 15 minutes",
        ),
    ]


def _burn(objective: Objective, window: BurnWindow) -> Manifest:
    recorded, budget = f'{{service="{objective.service}"}}', objective.slo.error_budget
    limit = f"{window.factor * budget:g}"
    return _alert(
        f"McpErrorBudgetBurn{window.name}",
        objective,
        f"mcp:errors:ratio{window.long}{recorded} > {limit} and mcp:errors:ratio{window.short}{recorded} > {limit}",
        "2m",
        window.level,
        f"{objective.service} burns its error budget {window.factor:g} times too fast",
    )


def _alert(name: str, objective: Objective, expr: str, lasting: str, level: str, summary: str) -> Manifest:
    severity = "critical" if level == "emergency" else "warning"
    return {
        "alert": name,
        "expr": expr,
        "for": lasting,
        "labels": {"severity": severity, "escalation": level, "service": objective.service},
        "annotations": {"summary": summary},
    }
