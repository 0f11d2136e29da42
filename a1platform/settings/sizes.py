"""Sizes of single containers of the third-party parts."""

from typing import Literal

from pydantic import Field

from a1platform.settings.base import Settings

Container = Literal[
    "gatekeeper-controller",
    "gatekeeper-audit",
    "external-secrets",
    "external-secrets-webhook",
    "external-secrets-certificates",
    "keda-operator",
    "keda-metrics",
    "keda-webhooks",
    "argocd-controller",
    "argocd-repository",
    "argocd-server",
    "argocd-redis",
    "argocd-once",
    "prometheus-operator",
    "prometheus-reloader",
    "prometheus",
    "alertmanager",
    "kube-state-metrics",
    "node-exporter",
    "grafana",
    "grafana-sidecar",
    "jaeger",
    "image-scanning",
    "image-scanning-once",
]
"""A container of a part, by its name in the table of sizes (`a1platform/platform/sizes.py`)."""


class SizeSettings(Settings):
    """What one container asks for in place of its profile's size; memory is also its limit.

    Attributes:
        cpu_milli: CPU in thousandths of a core.
        memory_mib: Memory in MiB.
    """

    cpu_milli: int | None = Field(default=None, ge=1)
    memory_mib: int | None = Field(default=None, ge=16)
