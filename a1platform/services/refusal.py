"""What the whole configuration cannot mean for the services, refused before anything is declared."""

from collections.abc import Sequence

from a1platform.bundle import Bundle
from a1platform.bundle import load as load_bundle
from a1platform.platform.selection import charts, has_services, report
from a1platform.services.admission import admission_problems
from a1platform.services.capacity import Room, Taken, capacity_problems, taken
from a1platform.services.catalog import CATALOG, GENERATED
from a1platform.services.checks import catalog_problems, settings_problems
from a1platform.services.image import with_image_of
from a1platform.services.model import DOCKER_CONFIG, CatalogEntry
from a1platform.services.resolve import resolve
from a1platform.settings.model import A1Settings
from a1platform.settings.services import Delivery
from a1platform.settings.together import Right

_SERVICES = ("services",)
_STORE = ("platform", "externalSecrets")
_ROOM = (("nodes",), ("preflight",), ("k3s", "maxPods"))


def service_problems(right: Right, catalog: Sequence[CatalogEntry] = CATALOG) -> list[str]:
    """Return what settings and catalog cannot mean together, of what is right in the settings by itself.

    Args:
        right: What is right in the whole configuration.
        catalog: The services.

    Returns:
        A line for each problem, with its key, what was found and what is expected.
    """
    settings: A1Settings = right.settings
    # Nothing is reckoned from a catalog that contradicts itself.
    if wrong := catalog_problems(catalog):
        return wrong
    found = settings_problems(settings.services, catalog) if right.has(_SERVICES) else []
    if right.has((*_SERVICES, "pullSecret"), _STORE):
        found += _pull_problems(settings)
    others, refused = Taken(), list[str]()
    if right.has(("platform",), ("bundle",)):
        bundle = load_bundle(settings.bundle) if settings.bundle else None
        others = taken(settings.platform, bundle)
        if right.has(_SERVICES):
            found += _delivery_problems(settings, bundle)
            refused = _admission_problems(settings, bundle, catalog) if right.has(("policies",)) else []
    # Those that are left out, as they are without External Secrets, need no room and no secrets.
    installed = settings.services.enabled and settings.platform.external_secrets.enabled
    if installed and right.has(_SERVICES, _STORE):
        found += _secret_problems(settings, catalog)
    if not found and right.has(_SERVICES, _STORE, *_ROOM) and installed:
        services = resolve(settings.services, catalog=catalog)
        found = capacity_problems(services, settings.services, Room.of(settings, others))
    return [*found, *refused]


def _secret_problems(settings: A1Settings, catalog: Sequence[CatalogEntry]) -> list[str]:
    """Return a line for each file of a service that the cluster-local store has no content for."""
    store = settings.platform.external_secrets
    if store.provider is not None:
        return []
    chosen = [entry for entry in catalog if settings.services.example or not entry.example]
    lacking = {
        (one.source, one.key): entry.name
        for entry in chosen
        for one in entry.secrets
        if one.key not in GENERATED.get(one.source, ()) and one.key not in store.secrets.get(one.source, {})
    }
    return [
        f"platform.externalSecrets.secrets.{source}.{key}: found nothing, expected a value, as "
        f"catalog.{name} mounts it, or another store"
        for (source, key), name in lacking.items()
    ]


def _delivery_problems(settings: A1Settings, bundle: Bundle | None) -> list[str]:
    """Return a line where the services are to be delivered by an Argo CD that is not installed."""
    services, platform = settings.services, settings.platform
    if services.delivery is not Delivery.ARGOCD:
        return []
    if "argo-cd" in charts(platform, bundle) or not has_services(platform, services, bundle):
        return []
    why = report(platform, bundle)["argo-cd"]
    return [f"services.delivery: found {services.delivery}, expected pulumi, as argo-cd is {why}"]


def _admission_problems(
    settings: A1Settings, bundle: Bundle | None, catalog: Sequence[CatalogEntry]
) -> list[str]:
    """Return what of the services the policies would refuse, where there are policies and services."""
    platform, policies, services = settings.platform, settings.policies, settings.services
    if not policies.enabled or "gatekeeper" not in charts(platform, bundle):
        return []
    if not has_services(platform, services, bundle):
        return []
    return admission_problems(policies, with_image_of(bundle, services), catalog)


def _pull_problems(settings: A1Settings) -> list[str]:
    """Return a line where the cluster-local store does not hold what would open the registry."""
    name, store = settings.services.pull_secret, settings.platform.external_secrets
    if name is None or store.provider is not None or DOCKER_CONFIG in store.secrets.get(name, {}):
        return []
    wanted = f"platform.externalSecrets.secrets.{name}.{DOCKER_CONFIG}"
    return [f"services.pullSecret: found {name}, expected {wanted} beside it, or another store"]
