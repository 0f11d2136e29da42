"""Who may talk to whom: nobody, but for what the catalog declares."""

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.platform.namespaces import PROMETHEUS
from a1platform.platform.network import in_namespace, name_resolution, tcp
from a1platform.services.builders.metadata import MANAGER, metadata
from a1platform.services.model import HTTP_PORT, OPERATIONS_PORT, McpServiceArgs


def service_policy(args: McpServiceArgs) -> Manifest:
    """Return the policy of one service: its callers and Prometheus in, what it calls out."""
    entry = args.entry
    ingress = [{"from": [_pods(caller)], "ports": [tcp(HTTP_PORT)]} for caller in args.callers]
    if entry.public:
        ingress.append({"ports": [tcp(HTTP_PORT)]})
    ingress.append({"from": [in_namespace(PROMETHEUS)], "ports": [tcp(OPERATIONS_PORT)]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(args),
        "spec": {
            "podSelector": {"matchLabels": naming.selector(entry.name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": [{"to": [_pods(callee)], "ports": [tcp(HTTP_PORT)]} for callee in sorted(entry.calls)],
        },
    }


def namespace_policies(namespace: str) -> list[Manifest]:
    """Return what holds for every pod of the namespace: nothing in, nothing out, but name resolution."""
    return [
        _policy("default-deny", namespace, {"policyTypes": ["Ingress", "Egress"]}),
        _policy("allow-dns", namespace, {"policyTypes": ["Egress"], "egress": [name_resolution()]}),
    ]


def _policy(name: str, namespace: str, spec: Manifest) -> Manifest:
    labels = {"app.kubernetes.io/part-of": naming.PART_OF, "app.kubernetes.io/managed-by": MANAGER}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"podSelector": {}, **spec},
    }


def _pods(name: str) -> Manifest:
    return {"podSelector": {"matchLabels": naming.selector(name)}}
