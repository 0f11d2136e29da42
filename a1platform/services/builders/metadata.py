"""Names and labels of a service's objects."""

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.services.model import McpServiceArgs

MANAGER = "a1platform"
"""Both deliveries declare the very same objects, so neither is named in their labels."""


def metadata(args: McpServiceArgs, name: str | None = None, **labels: str) -> Manifest:
    """Return the metadata of an object of a service.

    Args:
        args: The service.
        name: The object's name; the service's by default.
        labels: More labels, `_` written for `-` in their names.
    """
    entry = args.entry
    every = naming.labels(entry.name, "example" if entry.example else "service")
    every["app.kubernetes.io/managed-by"] = MANAGER
    every |= {key.replace("_", "-"): value for key, value in labels.items()}
    return {"name": name or entry.name, "namespace": args.namespace, "labels": every}


def pod_labels(args: McpServiceArgs) -> dict[str, str]:
    """Return the labels of a service's pods: those that select them, and the component."""
    component = "example" if args.entry.example else "service"
    return {**naming.selector(args.entry.name), "app.kubernetes.io/component": component}
