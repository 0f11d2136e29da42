"""What a service is, as data: a catalog entry, and the arguments that settings and catalog make of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from a1platform.observability.slo import Slo
from a1platform.settings.egress import EgressSettings
from a1platform.settings.services import Profile

HTTP_PORT = 8080
"""Of every role of our image; an entry with another program may have another."""
OPERATIONS_PORT = 9090
"""Probes and metrics, apart from the API so that the network policy can tell callers from Prometheus."""
STATE_FOLDER = "/var/lib/mcp"
RUNS_FOLDER = "/var/lib/mcp-runs"
"""Where the volume of asynchronous runs is mounted."""
DOCKER_CONFIG = "dockerconfigjson"
"""Key in the store of what opens a private registry."""


@dataclass(frozen=True)
class Size:
    """What one pod asks for.

    Attributes:
        cpu_milli: CPU request in thousandths of a core.
        memory_mib: Memory request in MiB; at rest a pod uses below the autoscaler's 80 % of it.
        cpu_limit_milli: CPU limit; equal to the request, as the memory limit is, for Guaranteed quality.
        memory_limit_mib: Memory limit.
    """

    cpu_milli: int
    memory_mib: int
    cpu_limit_milli: int
    memory_limit_mib: int


@dataclass(frozen=True)
class Trigger:
    """A business metric that scales a service.

    Attributes:
        query: PromQL with one result.
        per_pod: Value that one pod is good for.
    """

    query: str
    per_pod: int


@dataclass(frozen=True)
class SecretFile:
    """A file that comes from the secret store.

    Attributes:
        source: Secret in the store's namespace.
        key: Key in it, and the file's name.
        folder: Where the file is mounted.
    """

    source: str
    key: str
    folder: str


@dataclass(frozen=True)
class Rule:
    """A permission of the service's account in its own namespace."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]


@dataclass(frozen=True)
class CatalogEntry:
    """One service.

    Attributes:
        name: Its name everywhere in the cluster.
        role: The program of the image (`ROLE`), and the label `role` of its metrics.
        sizes: Size of a pod by profile.
        port: Where its API listens; not that of probes and metrics.
        image: What its pods run, where it is not the one image of all roles.
        calls: Services that it calls; each opens one egress and one ingress.
        critical: Whether every client's call goes through it: Guaranteed quality in the standard profile.
        public: Whether its API port is open to clients outside the namespace.
        example: Whether it is there to try the platform, not part of it.
        environment: Variables beside `ROLE`.
        secrets: Files from the secret store.
        documents: Folder at which the configuration documents are mounted, if it reads them.
        keeps_state: Whether it keeps its last good configuration on an emptyDir.
        trigger: Business metric that scales it, beside CPU and memory.
        slo: Its promise.
        rules: Permissions on the Kubernetes API; without any its account has no token.
    """

    name: str
    role: str
    sizes: Mapping[Profile, Size]
    port: int = HTTP_PORT
    image: str | None = None
    calls: tuple[str, ...] = ()
    critical: bool = False
    public: bool = False
    example: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretFile, ...] = ()
    documents: str | None = None
    keeps_state: bool = False
    trigger: Trigger | None = None
    slo: Slo = field(default_factory=Slo)
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Capabilities:
    """What the cluster offers; objects of kinds that it does not know are left out.

    Attributes:
        keda: ScaledObject, else HorizontalPodAutoscaler.
        monitoring: ServiceMonitor and PrometheusRule.
        tracing: Jaeger, to which spans are forwarded.
    """

    keda: bool = True
    monitoring: bool = True
    tracing: bool = False


@dataclass(frozen=True)
class Autoscaling:
    """Bounds and targets of the autoscaler, in pods and per cent of the requests."""

    min_replicas: int
    max_replicas: int
    cpu_percent: int = 70
    memory_percent: int = 80


@dataclass(frozen=True)
class McpServiceArgs:
    """Everything that the builders need of one service.

    Attributes:
        entry: From the catalog.
        namespace: Where its objects are.
        image: What its pods run.
        size: Of one pod.
        autoscaling: Bounds and targets.
        callees: Services that it calls, with their ports.
        callers: Services that declare a call to it.
        environment: The entry's, with what the settings add.
        capabilities: See `Capabilities`.
        pull_secret: Secret by which the nodes pull the image.
        egress: Where it may connect to beside its callees.
        runs_claim: PersistentVolumeClaim that holds the asynchronous runs, where it keeps such.
    """

    entry: CatalogEntry
    namespace: str
    image: str
    size: Size
    autoscaling: Autoscaling
    callees: Mapping[str, int]
    callers: tuple[str, ...]
    environment: Mapping[str, str]
    capabilities: Capabilities
    pull_secret: str | None = None
    egress: tuple[EgressSettings, ...] = ()
    runs_claim: str | None = None
