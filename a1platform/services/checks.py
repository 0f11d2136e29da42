"""What a catalog and the settings cannot mean together; each problem is a line that starts with its key."""

from collections.abc import Sequence

from a1platform import naming
from a1platform.services.model import OPERATIONS_PORT, CatalogEntry
from a1platform.settings.services import ServiceOverride, ServicesSettings, fixed_image
from a1platform.settings.words import one_of

_PORTS = range(1024, 65536)
"""A pod without privileges cannot listen below."""


def catalog_problems(catalog: Sequence[CatalogEntry]) -> list[str]:
    """Return what is wrong with a catalog: names, ports, images, and calls to services that are not in it.

    Args:
        catalog: The services.
    """
    names = [entry.name for entry in catalog]
    return [f"catalog.{entry.name}{line}" for entry in catalog for line in _entry_problems(entry, names)]


def _entry_problems(entry: CatalogEntry, names: Sequence[str]) -> list[str]:
    found = []
    if not naming.is_dns_label(entry.name):
        found.append(": found a name that no Service can have, expected a DNS label")
    if names.count(entry.name) > 1:
        found.append(f": found {names.count(entry.name)} entries of this name, expected one")
    if f"{entry.name}-pods" in names:
        found.append(f": found {entry.name}-pods too, expected none: its headless Service has this name")
    if entry.port == OPERATIONS_PORT:
        found.append(f".port: found {entry.port}, expected another: probes and metrics are there")
    elif entry.port not in _PORTS:
        found.append(f".port: found {entry.port}, expected one from {_PORTS[0]} to {_PORTS[-1]}")
    if entry.image is not None:
        try:
            fixed_image(entry.image)
        except ValueError as error:
            found.append(f".image: {error}")
    missing = [callee for callee in entry.calls if callee not in names]
    found += [f".calls: found {one}, expected a service: {', '.join(names)}" for one in missing]
    return found


def override_problems(settings: ServicesSettings, catalog: Sequence[CatalogEntry]) -> list[str]:
    """Return where the overrides name no service, or turn a service's fewest pods into more than its most.

    Args:
        settings: The services' slice of the configuration.
        catalog: The services.
    """
    names = [entry.name for entry in catalog]
    found = []
    for name, override in settings.overrides.items():
        key = f"services.overrides.{name}"
        if name not in names:
            found.append(f"{key}: found no service of this name, {one_of(name, names)}")
        else:
            found += _range_problems(key, override, settings)
    return found


def _range_problems(key: str, override: ServiceOverride, settings: ServicesSettings) -> list[str]:
    least, most = override.min_replicas, override.max_replicas
    if most is None and least is not None and least > settings.max_replicas:
        limit = f"services.maxReplicas, which is {settings.max_replicas}"
        return [f"{key}.minReplicas: found {least}, expected at most {limit}; or a maxReplicas beside it"]
    if least is None and most is not None and most < settings.min_replicas:
        limit = f"services.minReplicas, which is {settings.min_replicas}"
        return [f"{key}.maxReplicas: found {most}, expected at least {limit}; or a minReplicas beside it"]
    return []
