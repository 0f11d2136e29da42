"""How a service is reached, and how many of its pods may go at once."""

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.services.builders.metadata import metadata
from a1platform.services.model import OPERATIONS_PORT, McpServiceArgs

SCRAPE_LABEL = "a1platform/scrape"
"""On one Service only: the headless one has the same pods and would be scraped a second time."""


def services(args: McpServiceArgs) -> list[Manifest]:
    """Return the Service with one address, and the headless one that names every pod.

    A kept-alive connection to one address stays with one pod, so callers with many requests
    balance over the second one's addresses.
    """
    shared = metadata(args)
    shared["labels"][SCRAPE_LABEL] = "true"
    port = args.entry.port
    http = {"name": "http", "port": port, "targetPort": "http", "protocol": "TCP", "appProtocol": "http"}
    operations = {
        "name": "operations",
        "port": OPERATIONS_PORT,
        "targetPort": "operations",
        "protocol": "TCP",
    }
    chosen = naming.selector(args.entry.name)
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": shared,
            "spec": {"type": "ClusterIP", "selector": chosen, "ports": [http, operations]},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(args, f"{args.entry.name}-pods"),
            "spec": {"type": "ClusterIP", "clusterIP": "None", "selector": chosen, "ports": [http]},
        },
    ]


def disruption_budget(args: McpServiceArgs) -> Manifest:
    """Return the budget: one pod at a time, so two replicas keep serving and a drain still ends."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(args),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": naming.selector(args.entry.name)},
        },
    }
