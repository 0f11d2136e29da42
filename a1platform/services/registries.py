"""Images of the services that the policy `image-registry` would refuse once the cluster is there."""

from collections.abc import Iterator, Mapping, Sequence

from a1platform.naming import qualified
from a1platform.platform.policy_set import load
from a1platform.services.model import CatalogEntry
from a1platform.services.resolve import NAMESPACE
from a1platform.settings.policies import PolicySettings
from a1platform.settings.services import ServiceOverride, ServicesSettings

_POLICY = "image-registry"
_TRUSTED = f"policies.parameters.{_POLICY}.registries"


def registry_problems(
    policies: PolicySettings, services: ServicesSettings, catalog: Sequence[CatalogEntry]
) -> Iterator[str]:
    """Yield a line for each key whose image the services' pods could not have.

    Args:
        policies: The policies' slice of the configuration; what is wrong in it is told elsewhere.
        services: The services' slice.
        catalog: The services.
    """
    there = load()
    if there.problems(policies):
        return
    [policy] = [one for one in there.configured(policies).policies if one.name == _POLICY]
    if policy.action != "deny" or not policy.reaches(NAMESPACE):
        return
    trusted: list[str] = policy.constraint["spec"]["parameters"]["registries"]
    for key, image in _images(services, catalog).items():
        if not qualified(image).startswith(tuple(trusted)):
            wanted = f"expected it from {_TRUSTED}: {', '.join(trusted) or 'none'}"
            yield f"{key}: found {qualified(image)}, {wanted}"


def _images(services: ServicesSettings, catalog: Sequence[CatalogEntry]) -> Mapping[str, str]:
    """Return what the pods run by the key that says so, as `resolve` chooses it."""
    found: dict[str, str] = {}
    for entry in catalog:
        if entry.example and not services.example:
            continue
        own = services.overrides.get(entry.name, ServiceOverride()).image
        if own is not None:
            found[f"services.overrides.{entry.name}.image"] = own
        elif entry.image is not None:
            found[f"catalog.{entry.name}.image"] = entry.image
        else:
            found["services.image"] = services.image
    return found
