"""What the services have in common: the quota, the documents, rules and dashboards."""

from collections.abc import Sequence
from importlib import resources

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.observability.dashboards import dashboards, to_json
from a1platform.observability.rules import prometheus_rule
from a1platform.observability.slo import Objective
from a1platform.services.builders.metadata import MANAGER
from a1platform.services.builders.quota import quota
from a1platform.services.builders.secrets import pull_secret
from a1platform.services.builders.workload import DOCUMENTS
from a1platform.services.model import McpServiceArgs
from a1platform.settings.services import QuotaSettings

FOLDER = "shared"
DASHBOARD_LABEL = {"grafana_dashboard": "1"}
"""What Grafana's sidecar looks for."""


def documents() -> dict[str, str]:
    """Return the configuration documents that the platform ships, by file name."""
    folder = resources.files("a1platform.services") / "documents"
    return {one.name: one.read_text() for one in sorted(folder.iterdir(), key=lambda one: one.name)}


def objectives(services: Sequence[McpServiceArgs]) -> list[Objective]:
    """Return the promise of every service that is part of the platform."""
    return [
        Objective(args.entry.name, args.entry.role, args.entry.slo, args.entry.critical)
        for args in services
        if not args.entry.example
    ]


def shared_objects(services: Sequence[McpServiceArgs], room: QuotaSettings | None = None) -> list[Manifest]:
    """Return the objects that belong to no single service; empty without services.

    Args:
        services: The resolved services.
        room: What the namespace may take of the nodes; that of the catalog by default.
    """
    if not services:
        return []
    namespace = services[0].namespace
    found = [
        *quota(services, room or QuotaSettings()),
        _config_map(DOCUMENTS, namespace, documents()),
    ]
    if services[0].pull_secret:
        found.append(pull_secret(services[0].pull_secret, namespace))
    if services[0].capabilities.monitoring:
        found.append(prometheus_rule("a1-objectives", namespace, objectives(services)))
        for name, dashboard in dashboards(objectives(services), namespace).items():
            data = {f"{name}.json": to_json(dashboard)}
            found.append(_config_map(f"dashboard-{name}", namespace, data, DASHBOARD_LABEL))
    return found


def _config_map(
    name: str, namespace: str, data: dict[str, str], labels: dict[str, str] | None = None
) -> Manifest:
    every = {"app.kubernetes.io/part-of": naming.PART_OF, "app.kubernetes.io/managed-by": MANAGER}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": {**every, **(labels or {})}},
        "data": data,
    }
