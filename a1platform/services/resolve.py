"""Settings and catalog together: the arguments of each service, or an error that names the key."""

from collections.abc import Iterable
from dataclasses import replace

from a1platform import naming
from a1platform.services.catalog import CATALOG, GATEWAY, JAEGER_URL, TRACEHUB
from a1platform.services.model import Autoscaling, Capabilities, CatalogEntry, McpServiceArgs, Size
from a1platform.settings.services import ServiceOverride, ServicesSettings

NAMESPACE = "a1-orchestrator"


def resolve(
    settings: ServicesSettings,
    capabilities: Capabilities | None = None,
    catalog: Iterable[CatalogEntry] = CATALOG,
) -> tuple[McpServiceArgs, ...]:
    """Return the arguments of every service that the settings ask for, in the catalog's order.

    Args:
        settings: The services' slice of the configuration.
        capabilities: What the cluster offers; everything by default.
        catalog: The services.

    Raises:
        ValueError: A service is in the catalog twice, calls one that is not there or has no possible name,
            or an override names no service or asks for less than nothing. The text starts with the key.
    """
    entries = {entry.name: entry for entry in _checked(tuple(catalog))}
    for name in settings.overrides:
        if name not in entries:
            raise ValueError(f"services.overrides.{name}: no such service; there are {', '.join(entries)}")
    chosen = [entry for entry in entries.values() if settings.example or not entry.example]
    names = {entry.name for entry in chosen}
    present = [replace(entry, calls=tuple(one for one in entry.calls if one in names)) for entry in chosen]
    return tuple(_args(entry, present, settings, capabilities or Capabilities()) for entry in present)


def _checked(catalog: tuple[CatalogEntry, ...]) -> tuple[CatalogEntry, ...]:
    names = [entry.name for entry in catalog]
    for entry in catalog:
        where = f"catalog.{entry.name}"
        if not naming.is_dns_label(entry.name):
            raise ValueError(f"{where}: no DNS label, so no Service can have this name")
        if names.count(entry.name) > 1:
            raise ValueError(f"{where}: in the catalog {names.count(entry.name)} times")
        if f"{entry.name}-pods" in names:
            raise ValueError(f"{where}: its headless Service would have the name of {entry.name}-pods")
        for callee in entry.calls:
            if callee not in names:
                raise ValueError(f"{where}.calls: {callee} is no service; there are {', '.join(names)}")
    return catalog


def _args(
    entry: CatalogEntry, present: list[CatalogEntry], settings: ServicesSettings, capabilities: Capabilities
) -> McpServiceArgs:
    override = settings.overrides.get(entry.name, ServiceOverride())
    least = override.min_replicas or settings.min_replicas
    most = override.max_replicas or settings.max_replicas
    if least > most:
        raise ValueError(f"services.overrides.{entry.name}: minReplicas {least} is above maxReplicas {most}")
    added = {"PUBLIC_URL": settings.public_url} if entry.name == GATEWAY else {}
    if entry.name == TRACEHUB and capabilities.tracing:
        added = {"JAEGER_OTLP_URL": JAEGER_URL}
    return McpServiceArgs(
        entry=entry,
        namespace=NAMESPACE,
        image=override.image or settings.image,
        size=_size(entry.sizes[settings.profile], override),
        autoscaling=Autoscaling(least, most),
        callers=tuple(sorted(other.name for other in present if entry.name in other.calls)),
        environment={**entry.environment, **added},
        capabilities=capabilities,
    )


def _size(size: Size, override: ServiceOverride) -> Size:
    cpu = override.cpu_milli or size.cpu_milli
    memory = override.memory_mib or size.memory_mib
    guaranteed = size.cpu_milli == size.cpu_limit_milli
    return Size(
        cpu_milli=cpu,
        memory_mib=memory,
        cpu_limit_milli=cpu if guaranteed else max(cpu, size.cpu_limit_milli),
        memory_limit_mib=memory if guaranteed else max(memory, size.memory_limit_mib),
    )
