"""What the whole configuration cannot mean for the services, refused before anything is declared."""

from collections.abc import Sequence

from a1platform.naming import PROJECT
from a1platform.services.capacity import Room, capacity_problems
from a1platform.services.catalog import CATALOG
from a1platform.services.checks import override_problems
from a1platform.services.model import DOCKER_CONFIG, CatalogEntry
from a1platform.services.resolve import resolve
from a1platform.settings.load import SettingsError
from a1platform.settings.model import A1Settings


def check(settings: A1Settings, catalog: Sequence[CatalogEntry] = CATALOG) -> None:
    """Refuse what settings and catalog cannot mean together.

    Args:
        settings: The whole configuration.
        catalog: The services.

    Raises:
        SettingsError: A line for each problem, with its key, what was found and what is expected.
    """
    found = [*override_problems(settings.services, catalog), *_pull_problems(settings)]
    # Without External Secrets the services are left out, and need no room.
    if not found and settings.platform.external_secrets.enabled:
        services = resolve(settings.services, catalog=catalog)
        found = capacity_problems(services, settings.services, Room.of(settings))
    if found:
        lines = [f"{PROJECT}:{one}" for one in found]
        raise SettingsError("\n  ".join(["the configuration is refused:", *lines]))


def _pull_problems(settings: A1Settings) -> list[str]:
    """Return a line where the cluster-local store does not hold what would open the registry."""
    name, store = settings.services.pull_secret, settings.platform.external_secrets
    if name is None or store.provider is not None or DOCKER_CONFIG in store.secrets.get(name, {}):
        return []
    wanted = f"platform.externalSecrets.secrets.{name}.{DOCKER_CONFIG}"
    return [f"services.pullSecret: found {name}, expected {wanted} beside it, or another store"]
