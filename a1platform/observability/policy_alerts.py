"""Alerts on what the admission policies find, from the metrics of Gatekeeper's audit."""

from a1platform.delivery.manifest import Manifest
from a1platform.naming import PART_OF

GROUP = "policies.alerts"
"""What Prometheus knows the alerts by."""
STALE_SECONDS = 600
"""Ten times the audit's interval."""


def policy_rule(name: str, namespace: str) -> Manifest:
    """Return the PrometheusRule of the policies.

    What is in `dryrun` or `warn` is only counted: there violations are expected until it is `deny`.

    Args:
        name: Name of the object.
        namespace: Where it is.
    """
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": PART_OF}},
        "spec": {"groups": [{"name": GROUP, "rules": policy_alerts()}]},
    }


def policy_alerts() -> list[Manifest]:
    """Return what somebody is told: something is there that a policy refuses, or nobody looks any more."""
    return [
        _alert(
            "PolicyViolated",
            'sum(gatekeeper_violations{enforcement_action="deny"}) > 0',
            "{{ $value }} objects are in the cluster that a policy refuses",
        ),
        _alert(
            "PolicyAuditStale",
            f"time() - max(gatekeeper_audit_last_run_end_time) > {STALE_SECONDS} "
            "or absent(gatekeeper_audit_last_run_end_time)",
            "Gatekeeper's audit has not ended for ten minutes: violations are not counted",
        ),
    ]


def _alert(name: str, expr: str, summary: str) -> Manifest:
    return {
        "alert": name,
        "expr": expr,
        "for": "10m",
        "labels": {"severity": "warning", "escalation": "first", "service": "gatekeeper"},
        "annotations": {"summary": summary},
    }
