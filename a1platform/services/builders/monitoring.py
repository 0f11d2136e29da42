"""How Prometheus finds a service."""

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.services.builders.metadata import metadata
from a1platform.services.builders.traffic import SCRAPE_LABEL
from a1platform.services.model import McpServiceArgs


def service_monitor(args: McpServiceArgs) -> list[Manifest]:
    """Return the ServiceMonitor, or nothing where the cluster has no Prometheus operator."""
    if not args.capabilities.monitoring:
        return []
    return [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "ServiceMonitor",
            "metadata": metadata(args),
            "spec": {
                "jobLabel": "app.kubernetes.io/name",
                "selector": {"matchLabels": {**naming.selector(args.entry.name), SCRAPE_LABEL: "true"}},
                "endpoints": [
                    {"port": "operations", "path": "/metrics", "interval": "15s", "scrapeTimeout": "10s"},
                ],
            },
        }
    ]
