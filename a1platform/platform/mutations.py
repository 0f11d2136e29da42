"""Mutations: what Gatekeeper fills in where an object says nothing, as `policies/mutations/` has it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from a1platform.delivery.manifest import Manifest


def mutations(folder: Path, namespaces: Sequence[str], exempt: Iterable[str]) -> list[Manifest]:
    """Return Gatekeeper's Assign objects for the namespaces in which the policies apply.

    Args:
        folder: That of the policies.
        namespaces: Where they apply, patterns included.
        exempt: Namespaces that nothing of Gatekeeper reaches.
    """
    found: list[Manifest] = []
    for path in sorted((folder / "mutations").glob("*.yaml")):
        manifest: Manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
        spec = manifest["spec"]
        match = {
            **spec["match"],
            "namespaces": list(namespaces),
            "excludedNamespaces": sorted(exempt),
        }
        found.append({**manifest, "spec": {**spec, "match": match}})
    return found
