"""What a catalog and the settings cannot mean together; each problem is a line that starts with its key."""

from collections import Counter
from collections.abc import Iterator, Sequence

from a1platform import naming
from a1platform.services.catalog import GATEWAY
from a1platform.services.model import OPERATIONS_PORT, RUNS_FOLDER, STATE_FOLDER, CatalogEntry
from a1platform.settings.services import Profile, ServiceOverride, ServicesSettings, fixed_image
from a1platform.settings.words import one_of

_PORTS = range(1024, 65536)
"""A pod without privileges cannot listen below."""
_FOLDERS = ("root", "shared")
"""Of `manifests/`, beside one for each service."""
_LONGEST = 63 - len("-pods")
"""Of a name, so that there is one for the headless Service."""


def catalog_problems(catalog: Sequence[CatalogEntry]) -> list[str]:
    """Return what is wrong with a catalog: what no object can be made of, and calls to services not in it.

    Args:
        catalog: The services.
    """
    names = [entry.name for entry in catalog]
    return [f"catalog.{entry.name}{line}" for entry in catalog for line in _entry_problems(entry, names)]


def _entry_problems(entry: CatalogEntry, names: Sequence[str]) -> list[str]:
    found = [*_name_problems(entry.name), *_size_problems(entry), *_file_problems(entry)]
    if names.count(entry.name) > 1:
        found.append(f": found {names.count(entry.name)} entries of this name, expected one")
    taken = {f"{entry.name}-pods": "headless Service", f"{entry.name}-egress": "policy of what it calls"}
    found += [
        f": found {name} too, expected none: its {what} has this name"
        for name, what in taken.items()
        if name in names
    ]
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


def _name_problems(name: str) -> Iterator[str]:
    if not naming.is_dns_label(name) or name[0].isdigit() or len(name) > _LONGEST:
        wanted = f"a DNS label of at most {_LONGEST} characters that begins with a letter"
        yield f": found a name that no Service can have, expected {wanted}"
    if name in _FOLDERS:
        yield ": found a name that a folder of manifests/ has already, expected another"


def _size_problems(entry: CatalogEntry) -> Iterator[str]:
    for profile in Profile:
        size = entry.sizes.get(profile)
        if size is None:
            yield f".sizes: found no {profile}, expected a size for each profile"
            continue
        asked = (
            ("CPU", size.cpu_milli, size.cpu_limit_milli),
            ("memory", size.memory_mib, size.memory_limit_mib),
        )
        for what, request, limit in asked:
            if limit < request:
                found = f"found a {what} limit of {limit}"
                yield f".sizes.{profile}: {found}, expected at least the request, {request}"


def _file_problems(entry: CatalogEntry) -> Iterator[str]:
    # All files of a service are keys of one Secret, and a folder's volume has the name of its last step.
    keys = Counter(secret.key for secret in entry.secrets)
    yield from (
        f".secrets: found {key} twice, expected one file of this key"
        for key, count in keys.items()
        if count > 1
    )
    taken = {"/tmp", STATE_FOLDER, RUNS_FOLDER, entry.documents}  # noqa: S108 - a path in the pod, not on this machine
    volumes: dict[str, str] = {}
    for folder in sorted({secret.folder for secret in entry.secrets}):
        step = folder.rpartition("/")[2]
        if not naming.is_dns_label(f"secret-{step}"):
            yield f".secrets: found {folder}, expected a folder whose last step is a DNS label"
        elif folder in taken:
            yield f".secrets: found {folder}, expected a folder where nothing else is mounted"
        elif step in volumes:
            yield f".secrets: found {volumes[step]} and {folder}, expected folders with different last steps"
        volumes[step] = folder


def settings_problems(settings: ServicesSettings, catalog: Sequence[CatalogEntry]) -> list[str]:
    """Return where the settings contradict the catalog.

    An override may name no service, or turn a service's fewest pods into more than its most; the Secret of a
    private registry may have the name of a service's own; the gateway may have no way to the keys that it is
    to read.

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
    if settings.pull_secret in names:
        wanted = "expected another name: this is the Secret of a service"
        found.append(f"services.pullSecret: found {settings.pull_secret}, {wanted}")
    url = settings.auth.jwks_url
    if url is not None and not settings.overrides.get(GATEWAY, ServiceOverride()).egress:
        wanted = f"expected services.overrides.{GATEWAY}.egress beside it, as no other way leads there"
        found.append(f"services.auth.jwksUrl: found {url}, {wanted}")
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
