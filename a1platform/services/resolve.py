"""Settings and catalog together: the arguments of each service, or an error that names the key."""

from collections.abc import Iterable
from dataclasses import replace

from a1platform.services.catalog import CATALOG, GATEWAY, JAEGER_URL, ORCHESTRATOR, TRACEHUB
from a1platform.services.checks import catalog_problems, settings_problems
from a1platform.services.model import (
    RUNS_FOLDER,
    Autoscaling,
    Capabilities,
    CatalogEntry,
    McpServiceArgs,
    Size,
)
from a1platform.settings.services import ServiceOverride, ServicesSettings

NAMESPACE = "a1-orchestrator"
_MOST_CPU, _MOST_MEMORY = 50, 4
"""Times the request that a limit may be; the policy `container-resources` refuses more."""


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
        ValueError: The catalog contradicts itself, or the settings contradict it: a line for each problem,
            which starts with the key (`checks.py`).
    """
    listed = tuple(catalog)
    if wrong := [*catalog_problems(listed), *settings_problems(settings, listed)]:
        raise ValueError("\n".join(wrong))
    chosen = [entry for entry in listed if settings.example or not entry.example]
    names = {entry.name for entry in chosen}
    present = [replace(entry, calls=tuple(one for one in entry.calls if one in names)) for entry in chosen]
    return tuple(_args(entry, present, settings, capabilities or Capabilities()) for entry in present)


def accounts_with_token(catalog: Iterable[CatalogEntry] = CATALOG) -> tuple[str, ...]:
    """Return the accounts of the services that declare rights, as namespace/name.

    Args:
        catalog: The services.
    """
    return tuple(f"{NAMESPACE}/{entry.name}" for entry in catalog if entry.rules)


def _args(
    entry: CatalogEntry, present: list[CatalogEntry], settings: ServicesSettings, capabilities: Capabilities
) -> McpServiceArgs:
    override = settings.overrides.get(entry.name, ServiceOverride())
    return McpServiceArgs(
        entry=entry,
        namespace=NAMESPACE,
        image=override.image or entry.image or settings.image,
        size=_size(entry.sizes[settings.profile], override),
        autoscaling=Autoscaling(
            override.min_replicas or settings.min_replicas, override.max_replicas or settings.max_replicas
        ),
        callees={other.name: other.port for other in present if other.name in entry.calls},
        callers=tuple(sorted(other.name for other in present if entry.name in other.calls)),
        environment={**entry.environment, **_added(entry.name, settings, capabilities)},
        capabilities=capabilities,
        pull_secret=settings.pull_secret,
        egress=override.egress,
        runs_claim=settings.runs.claim if entry.name == ORCHESTRATOR else None,
    )


def _added(name: str, settings: ServicesSettings, capabilities: Capabilities) -> dict[str, str]:
    """Return what the settings add to a service's environment."""
    if name == GATEWAY:
        auth = settings.auth
        given = {"ISSUER": auth.issuer, "AUDIENCE": auth.audience, "JWKS_URL": auth.jwks_url}
        return {
            "PUBLIC_URL": settings.public_url,
            **{variable: value for variable, value in given.items() if value is not None},
        }
    if name == ORCHESTRATOR and settings.runs.claim is not None:
        return {"RUNS_DIR": RUNS_FOLDER, "RUNS_KEEP_SECONDS": str(settings.runs.keep_seconds)}
    if name == TRACEHUB and capabilities.tracing:
        return {"JAEGER_OTLP_URL": JAEGER_URL}
    return {}


def _size(size: Size, override: ServiceOverride) -> Size:
    cpu = override.cpu_milli or size.cpu_milli
    memory = override.memory_mib or size.memory_mib
    most_cpu = min(size.cpu_limit_milli, _MOST_CPU * cpu)
    most_memory = min(size.memory_limit_mib, _MOST_MEMORY * memory)
    guaranteed = size.cpu_milli == size.cpu_limit_milli
    return Size(
        cpu_milli=cpu,
        memory_mib=memory,
        cpu_limit_milli=cpu if guaranteed else max(cpu, most_cpu),
        memory_limit_mib=memory if guaranteed else max(memory, most_memory),
    )
