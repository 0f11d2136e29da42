"""An alert on what Argo CD does not deliver, from the metrics of its controller."""

from a1platform.delivery.argocd import NAMESPACE, PROJECT, ROOT
from a1platform.delivery.manifest import Manifest
from a1platform.naming import PART_OF

GROUP = "delivery.alerts"
"""What Prometheus knows the alert by."""
APPLICATIONS = f'argocd_app_info{{project=~"{PROJECT}|{ROOT}"'
"""The metric of our Applications, open for further labels: those of a site's own are not ours to judge."""


def delivery_rule() -> Manifest:
    """Return the PrometheusRule of what is delivered from Git; where nothing is, it finds nothing."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "a1-delivery",
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/part-of": PART_OF},
        },
        "spec": {"groups": [{"name": GROUP, "rules": delivery_alerts()}]},
    }


def delivery_alerts() -> list[Manifest]:
    """Return what somebody is told: a commit does not get there, and no run of Pulumi waits for it."""
    # By name alone, so that one that goes from progressing to degraded does not begin anew.
    unwell = f'{APPLICATIONS},health_status!="Healthy"}} or {APPLICATIONS},sync_status!="Synced"}}'
    return [
        {
            "alert": "ArgoCdNotDelivered",
            "expr": f"count by (name) ({unwell}) > 0",
            # As long as Pulumi waits for the first delivery.
            "for": "15m",
            "labels": {"severity": "warning", "escalation": "first", "service": "argo-cd"},
            "annotations": {
                "summary": "Application {{ $labels.name }} is not healthy, or not as its repository says"
            },
        }
    ]
