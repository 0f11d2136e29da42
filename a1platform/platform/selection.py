"""Which parts are installed, from what, and why the others are not: pure functions."""

from collections.abc import Iterable
from typing import get_args

from a1platform.bundle import Bundle
from a1platform.platform.chart import MONITORING_CRDS, Chart, chart
from a1platform.settings.platform import PartName, PlatformSettings
from a1platform.settings.services import ServicesSettings

NAMES: tuple[PartName, ...] = get_args(PartName)
"""Every part."""
OPTIONAL = frozenset(name for name in NAMES if not PlatformSettings().part(name).enabled)
"""Parts that are off by default: nobody who has not asked for one misses it."""
SERVICES = "mcp-services"
"""The bundle's part with the services' image."""
_GRAFANA = "grafana"
_SECRETS = "external-secrets"
_SERVICES_WAIT_FOR = ("gatekeeper", _SECRETS, "argo-cd", "keda")
_OFF = "switched off in the settings"


def charts(settings: PlatformSettings, bundle: Bundle | None) -> dict[str, Chart]:
    """Return the charts of all parts that are switched on and can be had, by name.

    Monitoring is in it with both of its charts or not at all.

    Args:
        settings: The platform's slice.
        bundle: What everything is installed from, if not from the internet.
    """
    found: dict[str, Chart] = {}
    for name in NAMES:
        part = settings.part(name)
        some = {one: chart(one, bundle, part.repository) for one in _needed(name)}
        if part.enabled and all(some.values()):
            found |= {one: held for one, held in some.items() if held is not None}
    return found


def has_grafana(settings: PlatformSettings, bundle: Bundle | None) -> bool:
    """Tell whether Grafana is wanted and can be had."""
    return settings.monitoring.grafana and not _missing(bundle, (_GRAFANA,))


def report(settings: PlatformSettings, bundle: Bundle | None) -> dict[str, str]:
    """Return what each part is installed from, or why it is left out, by name."""
    found = charts(settings, bundle)
    told: dict[str, str] = {}
    for name in NAMES:
        if name in OPTIONAL and not settings.part(name).enabled:
            continue
        told[name] = found[name].origin if name in found else _reason(settings, bundle, name)
    if "monitoring" in found and not has_grafana(settings, bundle):
        told[_GRAFANA] = f"left out: {_missing(bundle, (_GRAFANA,)) or _OFF}"
    return told


def _needed(name: PartName) -> tuple[str, ...]:
    return (MONITORING_CRDS, name) if name == "monitoring" else (name,)


def _reason(settings: PlatformSettings, bundle: Bundle | None, name: PartName) -> str:
    needed = _needed(name)
    # First the bundle's reason: the sandbox switches off what could not be built.
    if why := _missing(bundle, needed):
        return f"left out: {why}"
    if not settings.part(name).enabled:
        return f"left out: {_OFF}"
    return f"left out: the bundle has no chart of {' or '.join(needed)}"


def _missing(bundle: Bundle | None, names: Iterable[str]) -> str:
    """Return the bundle's own reasons for what is not in it; empty where it has none."""
    if bundle is None:
        return ""
    return "; ".join(bundle.left_out[name] for name in names if name in bundle.left_out)


def image_parts(
    settings: PlatformSettings, services: ServicesSettings, bundle: Bundle | None
) -> tuple[str, ...]:
    """Return the parts of a bundle whose images the nodes need: what is installed, and the services.

    First comes what the services wait for, of that what takes longest from its images to healthy; then they;
    then what looks at them.
    """
    installed = charts(settings, bundle)
    own = [SERVICES] if has_services(settings, services, bundle) else []
    before = [part for part in _SERVICES_WAIT_FOR if part in installed]
    return tuple(dict.fromkeys((*before, *own, *installed)))


def has_services(settings: PlatformSettings, services: ServicesSettings, bundle: Bundle | None) -> bool:
    """Tell whether the services are wanted and have what they need: External Secrets, and their image."""
    held = bundle is None or SERVICES in bundle.parts
    return services.enabled and held and _SECRETS in charts(settings, bundle)


def services_report(settings: PlatformSettings, services: ServicesSettings, bundle: Bundle | None) -> str:
    """Return what the services are installed from, or why they are left out."""
    if has_services(settings, services, bundle):
        return bundle.part(SERVICES).origin if bundle else f"image {services.image}"
    # First the bundle's reason, as for the other parts.
    if why := _missing(bundle, (SERVICES,)):
        return f"left out: {why}"
    if not services.enabled:
        return f"left out: {_OFF}"
    if _SECRETS not in charts(settings, bundle):
        return f"left out: without {_SECRETS}"
    return "left out: the bundle has no image of them"
