"""What the namespace of the services may take of the nodes: the catalog at full scale, and no more."""

from collections.abc import Sequence
from dataclasses import dataclass

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.services.builders.metadata import MANAGER
from a1platform.services.builders.quantity import cores, memory
from a1platform.services.builders.workload import MAX_SURGE
from a1platform.services.model import McpServiceArgs, Size
from a1platform.settings.services import QuotaSettings

_ENDING = 1
"""Pods of a service that end while it is rolled out.

A quota counts each until its time to end is over (Kubernetes, QuotaV1Pod in
pkg/quota/v1/evaluator/core/pods.go).
Without room for one, the next pod of a rollout at full scale is refused while an old one serves its last
calls; where more end at once it still is, and is tried again.
"""
_LARGEST = Size(2000, 2048, 2000, 2048)
"""What one container may ask for, where no service needs more."""
_SMALLEST = {"cpu": "1m", "memory": "1Mi"}
"""More than 0, which to the kernel is no limit at all."""
_UNSAID = {"default": {"cpu": "500m", "memory": "128Mi"}, "defaultRequest": {"cpu": "50m", "memory": "128Mi"}}
"""What a container gets that does not say what it needs."""


@dataclass(frozen=True)
class Total:
    """What many pods ask for together.

    Attributes:
        pods: How many they are.
        size: The sum of their sizes.
    """

    pods: int
    size: Size


def full_scale(services: Sequence[McpServiceArgs]) -> Total:
    """Return what all services take when each has its most pods and is being rolled out: one comes, one ends.

    Args:
        services: The resolved services.
    """
    most = [(one.autoscaling.max_replicas + MAX_SURGE + _ENDING, one.size) for one in services]
    return Total(
        pods=sum(pods for pods, _ in most),
        size=Size(
            cpu_milli=sum(pods * size.cpu_milli for pods, size in most),
            memory_mib=sum(pods * size.memory_mib for pods, size in most),
            cpu_limit_milli=sum(pods * size.cpu_limit_milli for pods, size in most),
            memory_limit_mib=sum(pods * size.memory_limit_mib for pods, size in most),
        ),
    )


def quota(services: Sequence[McpServiceArgs], settings: QuotaSettings) -> list[Manifest]:
    """Return the ResourceQuota and the LimitRange, or nothing where they are switched off.

    Args:
        services: The resolved services, all in one namespace.
        settings: Their room beside the services.
    """
    if not settings.enabled:
        return []
    total, spare = full_scale(services), 100 + settings.spare_percent
    pods, size = total.pods, total.size
    hard = {
        "pods": str(_share(pods, spare)),
        "requests.cpu": cores(_share(size.cpu_milli, spare)),
        "requests.memory": memory(_share(size.memory_mib, spare)),
        "limits.cpu": cores(_share(size.cpu_limit_milli, spare)),
        "limits.memory": memory(_share(size.memory_limit_mib, spare)),
    }
    largest = {
        "cpu": cores(max(_LARGEST.cpu_limit_milli, *(one.size.cpu_limit_milli for one in services))),
        "memory": memory(max(_LARGEST.memory_limit_mib, *(one.size.memory_limit_mib for one in services))),
    }
    limits = {"limits": [{"type": "Container", **_UNSAID, "min": _SMALLEST, "max": largest}]}
    namespace = services[0].namespace
    return [
        _object("ResourceQuota", "services", namespace, {"hard": hard}),
        _object("LimitRange", "containers", namespace, limits),
    ]


def _share(amount: int, percent: int) -> int:
    return -(-amount * percent // 100)


def _object(kind: str, name: str, namespace: str, spec: Manifest) -> Manifest:
    labels = {"app.kubernetes.io/part-of": naming.PART_OF, "app.kubernetes.io/managed-by": MANAGER}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}
