"""The services as data. Another service is one more entry.

Ports, environment and files are those of docs/services.md. Memory: measured at rest 99 MiB (gateway, policy,
orchestrator), 75 (configuration), 57 (traces, empty), 85 (example), each below 80 % of its request, for the
autoscaler would otherwise scale out for ever.

CPU: a call costs 2.3 (gateway), 2.8 (policy) and 4.3 (orchestrator) thousandths of a core for a second, and a
start 1400. What is reserved lets two pods carry 50 calls a second: with much less, a little load would make a
small node busy with starting pods.

Beside CPU and memory, requests in flight scale gateway, policy proxy and orchestrator. They show calls that
wait for a tool, which cost no CPU; how many requests per second a pod can answer is a matter of its CPU
alone. Why 8 in a pod: at its limit on two cores the chain has 32 calls in flight (docs/measurements.md: 32
connections, 116 to 137 calls a second), which are 16 in each of two pods, so 8 come before it; and 50 calls a
second within 40 ms are one in each. Of quick calls CPU tells first: at 70 % a pod of the small profile
answers 24 a second, of which 8 are in flight when each takes a third of a second. A gateway's pod has places
for 128 of one caller and 256 of all (`Limits` in services/mcp_services/documents.py), the other two have no
bound.

For mcp-config it would be wrong: whoever follows it has a request there for as long as nothing changes. So
it would for mcp-tracehub, which waits for nobody when it takes spans in: there it is the spans. Why 2000 in
a pod: a call makes four, and of its 3.6 ms of CPU mcp-tracehub takes 3 % (docs/services.md), so 2000 a
second are 54 thousandths of a core. A pod of the standard profile has four times that and more: room for
what forwarding to Jaeger takes, which has not been measured; its CPU would tell at 6500 only. A pod of the
small profile reserves less, and its CPU tells first, at 1000. What waits in its queue is no signal: that
grows where Jaeger is slow or away, against which more pods do not help.
"""

from a1platform.observability.queries import requests_in_flight
from a1platform.services.model import HTTP_PORT, CatalogEntry, SecretFile, Size, Trigger
from a1platform.settings.services import Profile

GATEWAY = "mcp-gateway"
POLICY = "mcp-policy-proxy"
ORCHESTRATOR = "mcp-orchestrator-api"
CONFIG = "mcp-config"
TRACEHUB = "mcp-tracehub"
EXAMPLE = "mcp-example-tools"

JAEGER_NAMESPACE, JAEGER_PORT = "tracing", 4318
JAEGER_URL = f"http://jaeger.{JAEGER_NAMESPACE}.svc:{JAEGER_PORT}"
"""Where mcp-tracehub forwards spans to, where Jaeger is installed; OTLP over HTTP."""

IN_FLIGHT_PER_POD = 8
_SPANS_PER_POD = 2000
_API_KEYS = SecretFile("mcp-auth", "api-keys.json", "/etc/mcp/auth")
_INTERNAL_KEY = SecretFile("mcp-internal", "key", "/etc/mcp/internal")


GENERATED = {"mcp-auth": ("api-keys.json", "jwks.json"), "mcp-internal": ("key",)}
"""What the cluster-local store holds of itself (`credentials.py`); all else a site has to give."""


def direct(name: str, port: int = HTTP_PORT) -> str:
    """URL of a service for its ordinary callers, through its ClusterIP."""
    return f"http://{name}:{port}"


def balanced(name: str, port: int = HTTP_PORT) -> str:
    """URL whose name resolves to every pod of a service, for callers that balance each request themselves."""
    return f"http://{name}-pods:{port}"


def _sizes(small_milli: int, small_mib: int, standard_milli: int, standard_mib: int) -> dict[Profile, Size]:
    # Small: little is reserved and bursts are allowed, since 40 thousandths of a core as a limit would make a
    # start of 1.4 CPU seconds last over half a minute. Standard: requests equal limits.
    return {
        Profile.SMALL: Size(small_milli, small_mib, 1000, 2 * small_mib),
        Profile.STANDARD: Size(standard_milli, standard_mib, standard_milli, standard_mib),
    }


CATALOG: tuple[CatalogEntry, ...] = (
    CatalogEntry(
        name=GATEWAY,
        role=GATEWAY,
        sizes=_sizes(80, 160, 500, 256),
        calls=(POLICY, CONFIG, TRACEHUB),
        critical=True,
        public=True,
        environment={
            "POLICY_URL": balanced(POLICY),
            "CONFIG_URL": direct(CONFIG),
            "TRACES_URL": direct(TRACEHUB),
        },
        secrets=(SecretFile("mcp-auth", "jwks.json", "/etc/mcp/auth"), _API_KEYS, _INTERNAL_KEY),
        keeps_state=True,
        trigger=Trigger(requests_in_flight(GATEWAY), IN_FLIGHT_PER_POD),
    ),
    CatalogEntry(
        name=POLICY,
        role=POLICY,
        sizes=_sizes(100, 160, 500, 256),
        calls=(ORCHESTRATOR, CONFIG, TRACEHUB),
        critical=True,
        environment={
            "ORCHESTRATOR_URL": balanced(ORCHESTRATOR),
            "CONFIG_URL": direct(CONFIG),
            "TRACES_URL": direct(TRACEHUB),
        },
        secrets=(_INTERNAL_KEY,),
        keeps_state=True,
        trigger=Trigger(requests_in_flight(POLICY), IN_FLIGHT_PER_POD),
    ),
    CatalogEntry(
        name=ORCHESTRATOR,
        role=ORCHESTRATOR,
        sizes=_sizes(150, 160, 500, 256),
        calls=(POLICY, CONFIG, TRACEHUB, EXAMPLE),
        critical=True,
        environment={
            "POLICY_URL": balanced(POLICY),
            "CONFIG_URL": direct(CONFIG),
            "TRACES_URL": direct(TRACEHUB),
        },
        secrets=(_INTERNAL_KEY,),
        keeps_state=True,
        trigger=Trigger(requests_in_flight(ORCHESTRATOR), IN_FLIGHT_PER_POD),
    ),
    CatalogEntry(
        name=CONFIG,
        role=CONFIG,
        sizes=_sizes(30, 128, 100, 128),
        calls=(TRACEHUB,),
        environment={
            "TRACES_URL": direct(TRACEHUB),
            "DOCUMENTS_DIR": "/etc/mcp/documents",
            # The default of 64 MiB beside the 75 MiB at rest would be more than the pod's limit of 128.
            "BODY_MEMORY_BYTES": str(24 * 1024 * 1024),
        },
        secrets=(_INTERNAL_KEY,),
        documents="/etc/mcp/documents",
    ),
    CatalogEntry(
        name=TRACEHUB,
        role=TRACEHUB,
        sizes=_sizes(40, 128, 250, 256),
        # Each pod keeps its own share of the traces, so a look-up asks all of them.
        calls=(TRACEHUB,),
        environment={"PEERS_URL": balanced(TRACEHUB), "TRACES_URL": direct(TRACEHUB)},
        secrets=(_API_KEYS,),
        trigger=Trigger("sum(rate(mcp_tracehub_spans_total[1m]))", _SPANS_PER_POD),
    ),
    CatalogEntry(
        name=EXAMPLE,
        role="example-tools",
        sizes=_sizes(40, 128, 100, 128),
        calls=(TRACEHUB,),
        example=True,
        environment={"TRACES_URL": direct(TRACEHUB)},
    ),
)


def store_keys(catalog: tuple[CatalogEntry, ...] = CATALOG) -> dict[str, tuple[str, ...]]:
    """Return what the secret store must hold: the keys by the Secret's name in the store's namespace."""
    keys: dict[str, set[str]] = {}
    for entry in catalog:
        for secret in entry.secrets:
            keys.setdefault(secret.source, set()).add(secret.key)
    return {source: tuple(sorted(found)) for source, found in sorted(keys.items())}
