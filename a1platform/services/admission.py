"""What the policies would refuse of the services' own objects, told before there is a cluster.

Judged by the values that the objects are made of. The policies' own rules take Gatekeeper to run; a test
holds the two against each other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from a1platform.delivery.manifest import Manifest
from a1platform.naming import qualified
from a1platform.platform.policy_set import load
from a1platform.services.builders import service_objects
from a1platform.services.builders.quantity import cores, memory
from a1platform.services.checks import settings_problems
from a1platform.services.model import CatalogEntry, McpServiceArgs, Size
from a1platform.services.resolve import NAMESPACE, resolve
from a1platform.settings.policies import PolicySettings
from a1platform.settings.services import ServiceOverride, ServicesSettings
from a1platform.settings.shown import shown


class _Image(NamedTuple):
    """What the pods of a service run.

    Attributes:
        key: Where that is said.
        reference: The image.
        service: Whose pods.
    """

    key: str
    reference: str
    service: str


class _Ours(NamedTuple):
    """What is judged: the images, and the services with all else that the builders make objects of."""

    images: Sequence[_Image]
    services: Sequence[McpServiceArgs]


def admission_problems(
    policies: PolicySettings, services: ServicesSettings, catalog: Sequence[CatalogEntry]
) -> list[str]:
    """Return a line for each key by which the policies would refuse an object of the services.

    Args:
        policies: The policies' slice of the configuration; what is wrong in it is told elsewhere.
        services: The services' slice.
        catalog: The services.
    """
    there = load()
    if there.problems(policies):
        return []
    # What contradicts the catalog is told elsewhere, and no object could be made of it.
    resolved = () if settings_problems(services, catalog) else resolve(services, catalog=catalog)
    ours = _Ours(list(_images(services, catalog)), resolved)
    denying = [
        policy
        for policy in there.configured(policies).policies
        if policy.name in _JUDGES and policy.action == "deny" and policy.reaches(NAMESPACE)
    ]
    found = [line for one in denying for line in _JUDGES[one.name](one.constraint["spec"], ours)]
    return list(dict.fromkeys(found))


def _images(services: ServicesSettings, catalog: Sequence[CatalogEntry]) -> Iterator[_Image]:
    """Yield what the pods of each service run, as `resolve` chooses it."""
    for entry in catalog:
        if entry.example and not services.example:
            continue
        own = services.overrides.get(entry.name, ServiceOverride()).image
        if own is not None:
            yield _Image(f"services.overrides.{entry.name}.image", own, entry.name)
        elif entry.image is not None:
            yield _Image(f"catalog.{entry.name}.image", entry.image, entry.name)
        else:
            yield _Image("services.image", services.image, entry.name)


def _registries(spec: Manifest, ours: _Ours) -> Iterator[str]:
    trusted: list[str] = spec["parameters"]["registries"]
    wanted = f"policies.parameters.image-registry.registries: {', '.join(trusted) or 'none'}"
    for image in ours.images:
        if not qualified(image.reference).startswith(tuple(trusted)):
            yield f"{image.key}: found {qualified(image.reference)}, expected it from {wanted}"


def _digests(spec: Manifest, ours: _Ours) -> Iterator[str]:
    critical = [one for one in ours.images if one.service in spec["parameters"]["critical"]]
    for image in critical:
        if "@" not in image.reference:
            names = ", ".join(one.service for one in critical if one.key == image.key)
            wanted = "expected a digest (@sha256:...), as policies.enforcement.image-digest is deny"
            yield f"{image.key}: found {qualified(image.reference)} for {names}, {wanted}"


_SIZED: Mapping[str, tuple[Callable[[int], str], Callable[[Size], tuple[int, int]]]] = {
    "cpu": (cores, lambda size: (size.cpu_milli, size.cpu_limit_milli)),
    "memory": (memory, lambda size: (size.memory_mib, size.memory_limit_mib)),
}
"""What our containers request and are limited in: how it is written, and both amounts of it."""


def _sizes(spec: Manifest, ours: _Ours) -> Iterator[str]:
    key, given = "policies.parameters.container-resources", spec["parameters"]
    for index, resource in enumerate(given["resources"]):
        if ours.services and resource not in _SIZED:
            wanted = f"expected {' or '.join(_SIZED)}, as our own pods state nothing else"
            yield f"{key}.resources[{index}]: found {shown(resource)}, {wanted}"
    for resource, (written, amounts) in _SIZED.items():
        asked = [(*amounts(one.size), one.entry.name) for one in ours.services]
        ratio = given["maxRatio"].get(resource)
        if ratio is not None and any(limit > request * ratio for request, limit, _ in asked):
            request, limit, name = max(asked, key=lambda one: one[1] / one[0])
            why = f"as {name} asks for {written(request)} and may take {written(limit)}"
            yield f"{key}.maxRatio.{resource}: found {ratio}, expected {-(-limit // request)} or more, {why}"


def _labels(spec: Manifest, ours: _Ours) -> Iterator[str]:
    kinds = {kind for each in spec["match"]["kinds"] for kind in each["kinds"]}
    judged = [one for args in ours.services for one in service_objects(args) if one["kind"] in kinds]
    pods = [one["spec"]["template"] for one in judged if "template" in one["spec"]]
    carried = [one["metadata"]["labels"] for one in (*judged, *pods)]
    for index, label in enumerate(spec["parameters"]["labels"]):
        if not all(one.get(label) for one in carried):
            wanted = ", ".join(sorted(set.intersection(*map(set, carried))))
            key = f"policies.parameters.required-labels.labels[{index}]"
            yield f"{key}: found {shown(label)}, expected one that all of our own objects have: {wanted}"


_JUDGES: Mapping[str, Callable[[Manifest, _Ours], Iterator[str]]] = {
    "container-resources": _sizes,
    "image-digest": _digests,
    "image-registry": _registries,
    "required-labels": _labels,
}
"""Policies whose parameters or enforcement can make them refuse our own objects, and what finds that."""
