"""Who may talk to whom in the namespaces of the parts: nobody, but for what each part is made of.

The namespaces of the services are closed here too, whether there are services or not; what each service is
open for is declared with it.

A port alone, without a peer, is open to or for everybody: the API server calls a webhook from the address of
whichever node it runs on, and is called at such an address, so that no selector of pods fits it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from a1platform.delivery.manifest import Manifest
from a1platform.naming import PART_OF
from a1platform.platform.namespaces import (
    ARGO_CD,
    EXTERNAL_SECRETS,
    GATEKEEPER,
    IMAGE_SCANNING,
    KEDA,
    NODE_EXPORTER,
    PROMETHEUS,
    SECRETS,
    TRACING,
)
from a1platform.settings.platform import PlatformSettings

_API = 6443
_GIT = (22, 80, 443, 9418)
_PROMETHEUS = 9090
_PAGES = {ARGO_CD: 8080, PROMETHEUS: 3000}
"""The port of what people look at, by namespace: Argo CD, and Grafana."""


@dataclass(frozen=True)
class Reach:
    """What the pods of a namespace are reached by, and what they reach; ports are those of the pods.

    Attributes:
        webhooks: Ports that the API server calls.
        scraped: Ports that Prometheus reads.
        callers: Namespaces that call it, to the ports that they call.
        inside: Whether its pods call each other.
        calls: Namespaces that it calls, to the ports that it calls there.
        out: Ports that it calls wherever they are.
        everywhere: Whether it calls everything.
    """

    webhooks: tuple[int, ...] = ()
    scraped: tuple[int, ...] = ()
    callers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    inside: bool = False
    calls: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    out: tuple[int, ...] = ()
    everywhere: bool = False


REACHES: Mapping[str, Reach] = {
    GATEKEEPER: Reach(webhooks=(8443,), scraped=(8888,), out=(_API,)),
    EXTERNAL_SECRETS: Reach(webhooks=(10250,), scraped=(8080,), out=(_API,)),
    SECRETS: Reach(),
    # The metrics API is served to the API server as a webhook is.
    KEDA: Reach(
        webhooks=(_API, 9443), scraped=(8080,), inside=True, calls={PROMETHEUS: (_PROMETHEUS,)}, out=(_API,)
    ),
    ARGO_CD: Reach(scraped=(8082, 8083, 8084), inside=True, out=(_API, *_GIT)),
    # It reads what every pod and node measures, at whatever port, and Alertmanager tells people outside.
    PROMETHEUS: Reach(callers={KEDA: (_PROMETHEUS,)}, inside=True, everywhere=True),
    # On the network of the host, which no policy reaches.
    NODE_EXPORTER: Reach(),
    # Who may send spans, its own policy says.
    TRACING: Reach(scraped=(8888,), inside=True),
    # Its scans fetch images and the database of vulnerabilities.
    IMAGE_SCANNING: Reach(scraped=(8080,), everywhere=True),
}
"""By namespace."""


def reach_policies(
    namespaces: Sequence[str], settings: PlatformSettings, repository: str | None = None
) -> list[Manifest]:
    """Return the policies of each namespace of a part: default deny both ways, and its openings.

    Args:
        namespaces: Those that are there.
        settings: What a site has of its own is outside, at a port that only the site knows, and who forwards
            people inside.
        repository: What Argo CD syncs.
    """
    found = dict(REACHES)
    if settings.external_secrets.provider is not None:
        found[EXTERNAL_SECRETS] = replace(found[EXTERNAL_SECRETS], everywhere=True)
    called = (repository, settings.argo_cd.oidc.issuer if settings.argo_cd.oidc else None)
    out = dict.fromkeys((*found[ARGO_CD].out, *filter(None, map(_port, filter(None, called)))))
    found[ARGO_CD] = replace(found[ARGO_CD], out=tuple(out))
    if caller := settings.ingress_namespace:
        for name, port in _PAGES.items():
            callers = found[name].callers
            more = {caller: (*callers.get(caller, ()), port)}
            found[name] = replace(found[name], callers={**callers, **more})
    return [one for name in namespaces if name in found for one in _policies(name, found[name])]


def closed_policies(namespace: str) -> list[Manifest]:
    """Return what holds for every pod of a namespace of the services: nothing in, nothing out, but for names.

    Args:
        namespace: Its name.
    """
    return [_policy(namespace, "Ingress", []), _policy(namespace, "Egress", [name_resolution()])]


def _port(url: str) -> int | None:
    """Return the port that a URL names; `git@host:path` names none."""
    try:
        return urlsplit(url).port
    # A number that is none Argo CD tells itself.
    except ValueError:
        return None


def _policies(namespace: str, reach: Reach) -> list[Manifest]:
    """Return the policies of every pod of a namespace; without openings everything is denied both ways."""
    own: Manifest = {"podSelector": {}}
    ingress = [
        *_rules("from", None, reach.webhooks),
        *_rules("from", in_namespace(PROMETHEUS), reach.scraped),
        *(
            one
            for caller, ports in reach.callers.items()
            for one in _rules("from", in_namespace(caller), ports)
        ),
        *([{"from": [own]}] if reach.inside else []),
    ]
    egress = [
        *_rules("to", None, reach.out),
        *(one for callee, ports in reach.calls.items() for one in _rules("to", in_namespace(callee), ports)),
        *([{"to": [own]}] if reach.inside else []),
        *([name_resolution()] if reach.out or reach.calls else []),
    ]
    return [
        _policy(namespace, "Ingress", ingress),
        _policy(namespace, "Egress", [{}] if reach.everywhere else egress),
    ]


def _policy(namespace: str, direction: str, rules: Sequence[Manifest]) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": f"default-deny-{direction.lower()}",
            "namespace": namespace,
            "labels": {"app.kubernetes.io/part-of": PART_OF},
        },
        "spec": {"podSelector": {}, **one_way(direction, rules)},
    }


def one_way(direction: str, rules: Sequence[Manifest]) -> Manifest:
    """Return what is open in one direction, for a policy that says nothing of the other.

    Of a policy about both, K3s takes what is let in for what is let out too, and the reverse, between the
    pods that it selects (kube-router 2.2.1, pkg/controllers/netpol/pod.go, kubeBothPolicyType).

    Args:
        direction: `Ingress` or `Egress`.
        rules: What is open; without any, all is denied.
    """
    return {"policyTypes": [direction], direction.lower(): list(rules)}


def name_resolution() -> Manifest:
    """Return the way to the cluster's name server."""
    server = {**in_namespace("kube-system"), "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    return {"to": [server], "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}


def in_namespace(name: str) -> Manifest:
    """Return all pods of a namespace, as a peer."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def tcp(port: int) -> Manifest:
    """Return a port."""
    return {"protocol": "TCP", "port": port}


def _rules(side: str, peer: Manifest | None, ports: Sequence[int]) -> list[Manifest]:
    if not ports:
        return []
    return [{**({side: [peer]} if peer else {}), "ports": [tcp(port) for port in ports]}]
