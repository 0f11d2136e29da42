"""The values that the charts get, by settings."""

from typing import Any

from a1platform.platform import (
    argocd,
    external_secrets,
    gatekeeper,
    image_scanning,
    keda,
    monitoring_values,
    tracing,
)
from a1platform.platform.chart import OFFICIAL
from a1platform.platform.part import PartArgs
from a1platform.platform.sizes import Sizing
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.services import Profile

Values = dict[str, Any]


def values_of(profile: Profile, settings: PlatformSettings | None = None) -> dict[str, Values]:
    """Return the values of every part's chart, by part."""
    chosen = settings or PlatformSettings()
    sizing = Sizing(profile, chosen.sizes)
    exempt = ("kube-system", "argocd")
    return {
        "gatekeeper": gatekeeper.values(
            gatekeeper.GatekeeperArgs(PartArgs(OFFICIAL["gatekeeper"], chosen.gatekeeper, sizing), exempt)
        ),
        "external-secrets": external_secrets.values(
            PartArgs(OFFICIAL["external-secrets"], chosen.external_secrets, sizing, monitoring=True)
        ),
        "keda": keda.values(PartArgs(OFFICIAL["keda"], chosen.keda, sizing, monitoring=True)),
        "argo-cd": argocd.values(PartArgs(OFFICIAL["argo-cd"], chosen.argo_cd, sizing, monitoring=True)),
        "monitoring": monitoring_values.values(chosen.monitoring, sizing, grafana=True),
        "tracing": tracing.values(PartArgs(OFFICIAL["tracing"], chosen.tracing, sizing)),
        "image-scanning": image_scanning.values(
            PartArgs(OFFICIAL["image-scanning"], chosen.image_scanning, sizing, monitoring=True)
        ),
    }
