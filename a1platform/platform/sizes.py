"""What each container of the third-party parts asks for.

Memory: requests equal limits, so that no pod is the one that the kernel ends when memory gets short. CPU: the
same in the `standard` profile, which makes every pod Guaranteed; in `small` little is reserved and bursts are
allowed, since a twentieth of a core as a limit makes a start of two CPU seconds last forty.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from a1platform.delivery.manifest import Manifest
from a1platform.settings.platform import PartName
from a1platform.settings.services import Profile
from a1platform.settings.sizes import Container, SizeSettings

_BURST_MILLI = 1000
_MEBIBYTES = {"Mi": 1, "Gi": 1024, "Ti": 1024 * 1024}

PRIORITY = "system-cluster-critical"
"""The class of every part that others depend on.

Services that scale out may fill a node, and yet no part stays Pending: the scheduler ends their pods for it.
The class exists on every cluster, so nothing has to come first.
"""


@dataclass(frozen=True)
class Size:
    """What one container asks for.

    Attributes:
        cpu_milli: CPU in thousandths of a core.
        memory_mib: Memory in MiB.
    """

    cpu_milli: int
    memory_mib: int


def _both(small: tuple[int, int], standard: tuple[int, int]) -> Mapping[Profile, Size]:
    return {Profile.SMALL: Size(*small), Profile.STANDARD: Size(*standard)}


SIZES: Mapping[Container, Mapping[Profile, Size]] = {
    "gatekeeper-controller": _both((50, 256), (250, 384)),
    "gatekeeper-audit": _both((30, 256), (100, 384)),
    "external-secrets": _both((20, 160), (100, 192)),
    "external-secrets-webhook": _both((10, 64), (50, 96)),
    "external-secrets-certificates": _both((10, 160), (50, 192)),
    "keda-operator": _both((20, 128), (100, 192)),
    "keda-metrics": _both((20, 96), (100, 128)),
    "keda-webhooks": _both((10, 64), (50, 96)),
    "argocd-controller": _both((60, 384), (500, 768)),
    "argocd-repository": _both((30, 320), (250, 512)),
    "argocd-server": _both((20, 160), (100, 192)),
    "argocd-redis": _both((10, 64), (100, 96)),
    # Copies a program or writes one Secret, then ends; as large as what its pod's main container asks for.
    "argocd-once": _both((10, 128), (50, 128)),
    "prometheus-operator": _both((20, 96), (100, 192)),
    "prometheus-reloader": _both((5, 48), (20, 64)),
    "prometheus": _both((120, 640), (500, 1536)),
    "alertmanager": _both((10, 64), (50, 128)),
    "kube-state-metrics": _both((10, 96), (50, 128)),
    "node-exporter": _both((10, 48), (50, 64)),
    "grafana": _both((20, 256), (100, 320)),
    "grafana-sidecar": _both((5, 96), (20, 96)),
    "jaeger": _both((50, 512), (250, 1024)),
    "image-scanning": _both((20, 256), (100, 384)),
    "image-scanning-once": _both((50, 512), (250, 768)),
}
"""By container; CPU in thousandths of a core and memory in MiB, of both profiles."""


OPTIONAL = frozenset({"jaeger", "image-scanning", "image-scanning-once"})
"""Containers of parts that are off by default: beside what a small node is promised to carry."""


CONTAINERS: Mapping[PartName, tuple[Container, ...]] = {
    "gatekeeper": ("gatekeeper-controller", "gatekeeper-audit"),
    "external-secrets": ("external-secrets", "external-secrets-webhook", "external-secrets-certificates"),
    "keda": ("keda-operator", "keda-metrics", "keda-webhooks"),
    "argo-cd": (
        "argocd-controller",
        "argocd-repository",
        "argocd-server",
        "argocd-redis",
        "argocd-once",
    ),
    "monitoring": (
        "prometheus-operator",
        "prometheus-reloader",
        "prometheus",
        "alertmanager",
        "kube-state-metrics",
        "node-exporter",
        "grafana",
        "grafana-sidecar",
    ),
    "tracing": ("jaeger",),
    "image-scanning": ("image-scanning", "image-scanning-once"),
}
"""The containers of each part."""
PASSING = frozenset({"argocd-once", "image-scanning-once"})
"""Containers that end, so that others get their room."""
SIDECARS = frozenset({"prometheus-reloader", "grafana-sidecar"})
"""Containers that are in the pod of another one."""
SYSTEM = Size(200, 1024)
"""What CoreDNS and metrics-server reserve, and the memory of K3s and the host."""


@dataclass(frozen=True)
class Sizing:
    """How large everything is.

    Attributes:
        profile: The column of `SIZES`.
        own: What a container asks for in place of that.
    """

    profile: Profile
    own: Mapping[Container, SizeSettings] = field(default_factory=dict)

    def size(self, container: Container) -> Size:
        """Return what a container asks for.

        Args:
            container: A key of `SIZES`.
        """
        usual, own = SIZES[container][self.profile], self.own.get(container, SizeSettings())
        return Size(own.cpu_milli or usual.cpu_milli, own.memory_mib or usual.memory_mib)


def mebibytes(quantity: str) -> int:
    """Return the size of a volume in MiB.

    Args:
        quantity: As the settings have it, such as `2Gi`.
    """
    return int(quantity[:-2]) * _MEBIBYTES[quantity[-2:]]


def sized(container: Container, sizing: Sizing) -> Manifest:
    """Return the values of a part's pod: its one container's `resources` and its priority.

    Args:
        container: A key of `SIZES`.
        sizing: How large everything is.
    """
    return {"resources": resources(container, sizing), "priorityClassName": PRIORITY}


def resources(container: Container, sizing: Sizing) -> Manifest:
    """Return a container's `resources`.

    Args:
        container: A key of `SIZES`.
        sizing: How large everything is.
    """
    size = sizing.size(container)
    memory = f"{size.memory_mib}Mi"
    limit = size.cpu_milli if sizing.profile is Profile.STANDARD else max(_BURST_MILLI, size.cpu_milli)
    return {
        "requests": {"cpu": f"{size.cpu_milli}m", "memory": memory},
        "limits": {"cpu": f"{limit}m", "memory": memory},
    }
