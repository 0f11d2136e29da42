"""Who may talk to whom: nobody, but for what the catalog declares."""

from a1platform import naming
from a1platform.cluster.config import API_PORT
from a1platform.delivery.manifest import Manifest
from a1platform.platform.namespaces import PROMETHEUS
from a1platform.platform.network import in_namespace, name_resolution, tcp
from a1platform.services.builders.metadata import MANAGER, metadata
from a1platform.services.catalog import JAEGER_NAMESPACE, JAEGER_PORT, JAEGER_URL
from a1platform.services.model import OPERATIONS_PORT, McpServiceArgs


def service_policy(args: McpServiceArgs) -> Manifest:
    """Return the policy of one service: its callers and Prometheus in, what it calls out.

    A service that declares rights on the Kubernetes API gets to it too.
    """
    entry = args.entry
    ingress = [{"from": [_pods(caller)], "ports": [tcp(entry.port)]} for caller in args.callers]
    if entry.public:
        ingress.append({"ports": [tcp(entry.port)]})
    ingress.append({"from": [in_namespace(PROMETHEUS)], "ports": [tcp(OPERATIONS_PORT)]})
    egress = [{"to": [_pods(callee)], "ports": [tcp(port)]} for callee, port in sorted(args.callees.items())]
    if JAEGER_URL in args.environment.values():
        egress.append({"to": [in_namespace(JAEGER_NAMESPACE)], "ports": [tcp(JAEGER_PORT)]})
    if entry.rules:
        # At the address of whichever node the API server runs on, so no peer fits it.
        egress.append({"ports": [tcp(API_PORT)]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(args),
        "spec": {
            "podSelector": {"matchLabels": naming.selector(entry.name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
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
