"""Who may talk to whom: in a closed namespace, what the catalog declares."""

from a1platform import naming
from a1platform.cluster.config import API_PORT
from a1platform.delivery.manifest import Manifest
from a1platform.platform.namespaces import PROMETHEUS
from a1platform.platform.network import in_namespace, one_way, tcp
from a1platform.services.builders.metadata import metadata
from a1platform.services.catalog import JAEGER_NAMESPACE, JAEGER_PORT, JAEGER_URL
from a1platform.services.model import OPERATIONS_PORT, McpServiceArgs


def service_policies(args: McpServiceArgs) -> list[Manifest]:
    """Return what one service calls, and then who calls it.

    In this order, since a policy of the service's name once said both: before it lets nothing out any more,
    the other one does.
    """
    return [_out_of(args), _into(args)]


def _into(args: McpServiceArgs) -> Manifest:
    """Return the policy that lets callers and Prometheus in."""
    entry = args.entry
    ingress = [{"from": [_pods(caller)], "ports": [tcp(entry.port)]} for caller in args.callers]
    if entry.public:
        ingress.append({"ports": [tcp(entry.port)]})
    ingress.append({"from": [in_namespace(PROMETHEUS)], "ports": [tcp(OPERATIONS_PORT)]})
    return _of_service(args, entry.name, one_way("Ingress", ingress))


def _out_of(args: McpServiceArgs) -> Manifest:
    """Return the policy that lets a service get to what it calls, to places of the site, and to the API."""
    egress = [{"to": [_pods(callee)], "ports": [tcp(port)]} for callee, port in sorted(args.callees.items())]
    if JAEGER_URL in args.environment.values():
        egress.append({"to": [in_namespace(JAEGER_NAMESPACE)], "ports": [tcp(JAEGER_PORT)]})
    for place in args.egress:
        peer = in_namespace(place.namespace) if place.namespace else {"ipBlock": {"cidr": place.cidr}}
        egress.append({"to": [peer], "ports": [tcp(port) for port in place.ports]})
    if args.entry.rules:
        # At the address of whichever node the API server runs on, so no peer fits it.
        egress.append({"ports": [tcp(API_PORT)]})
    return _of_service(args, f"{args.entry.name}-egress", one_way("Egress", egress))


def _of_service(args: McpServiceArgs, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(args, name),
        "spec": {**_pods(args.entry.name), **spec},
    }


def _pods(name: str) -> Manifest:
    return {"podSelector": {"matchLabels": naming.selector(name)}}
