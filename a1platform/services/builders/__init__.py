"""Pure functions from a service's arguments to its Kubernetes objects."""

from a1platform.delivery.manifest import Manifest
from a1platform.services.builders import autoscaling, monitoring, network, secrets, traffic, workload
from a1platform.services.model import McpServiceArgs

KINDS = (
    ("", "ConfigMap"),
    ("", "LimitRange"),
    ("", "ResourceQuota"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("apps", "Deployment"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("external-secrets.io", "ExternalSecret"),
    ("keda.sh", "ScaledObject"),
    ("monitoring.coreos.com", "PrometheusRule"),
    ("monitoring.coreos.com", "ServiceMonitor"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
)
"""API group and kind of whatever the services can have, be it on this cluster or not."""


def service_objects(args: McpServiceArgs) -> list[Manifest]:
    """Return every object of one service, in the order in which they need each other.

    Objects of kinds that the cluster does not offer are left out, and so are those with nothing in them:
    an ExternalSecret without a secret, a Role without a rule.
    """
    return [
        *network.service_policies(args),
        workload.service_account(args),
        *workload.role(args),
        *secrets.external_secret(args),
        *traffic.services(args),
        workload.deployment(args),
        autoscaling.autoscaler(args),
        traffic.disruption_budget(args),
        *monitoring.service_monitor(args),
    ]
