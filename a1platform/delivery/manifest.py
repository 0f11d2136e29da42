"""What the builders make and the sinks take: a Kubernetes object in Kubernetes's own spelling."""

from typing import Any

Manifest = dict[str, Any]
"""One Kubernetes object, keys as in the API (camelCase), so that it is the same in YAML and in Pulumi."""


def identity(manifest: Manifest) -> str:
    """Return `Kind/name`, which is unique among the objects of one namespace here."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"
