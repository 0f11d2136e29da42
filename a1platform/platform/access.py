"""The named roles for people: what each may do, as ClusterRoles, and who holds them.

No role reads Secrets, hands out rights or changes what is admitted to the cluster; that takes the operator's
own kubeconfig. Nor does one get there by a detour. Whoever may write a pod, or run a program in one, may do
what its account may, so that is given where the services run and nowhere else: no account there has much.
What a part does for whoever writes its objects is not given at all: Argo CD applies what an Application says,
and its repository server and cache trust whoever reaches their ports; an ExternalSecret gets any key of its
store; a ServiceMonitor gets Prometheus' own token. Every right is named, as the policies on wildcards ask of
others.
"""

from collections.abc import Mapping, Sequence

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.platform.namespaces import PROMETHEUS, TRACING
from a1platform.platform.policy_set import load
from a1platform.settings.access import AccessSettings, RoleSubjects

PLATFORM_ENGINEER = "a1-platform-engineer"
PLATFORM_ENGINEER_WORKLOADS = "a1-platform-engineer-workloads"
"""What a platform engineer may do beside it in the namespaces of the services."""
PLATFORM_ENGINEER_PAGES = "a1-platform-engineer-pages"
"""What a platform engineer may do beside it where a part's pages are looked at through a port-forward."""
SERVICE_DEVELOPER = "a1-service-developer"
READ_ONLY = "a1-read-only"

_API = "rbac.authorization.k8s.io"
_PAGES = (PROMETHEUS, TRACING)
_LOOK = ("get", "list", "watch")
_WRITE = ("create", "delete", "patch", "update")
Rights = Mapping[tuple[str, ...], Mapping[str, Sequence[str]]]
"""Verbs, to API group, to resources."""

_EVERYTHING_BUT_SECRETS: Mapping[str, Sequence[str]] = {
    "": (
        *(
            "configmaps",
            "endpoints",
            "events",
            "limitranges",
            "namespaces",
            "nodes",
            "persistentvolumeclaims",
        ),
        *("persistentvolumes", "pods", "pods/log", "resourcequotas", "serviceaccounts", "services"),
    ),
    "apiextensions.k8s.io": ("customresourcedefinitions",),
    "apps": ("daemonsets", "deployments", "replicasets", "statefulsets"),
    "aquasecurity.github.io": ("vulnerabilityreports",),
    "argoproj.io": ("applications", "appprojects"),
    "autoscaling": ("horizontalpodautoscalers",),
    "batch": ("cronjobs", "jobs"),
    "config.gatekeeper.sh": ("configs",),
    "discovery.k8s.io": ("endpointslices",),
    "events.k8s.io": ("events",),
    "external-secrets.io": ("clustersecretstores", "externalsecrets", "secretstores"),
    "keda.sh": ("scaledjobs", "scaledobjects"),
    "metrics.k8s.io": ("nodes", "pods"),
    "monitoring.coreos.com": (
        "alertmanagers",
        "podmonitors",
        "prometheuses",
        "prometheusrules",
        "servicemonitors",
    ),
    "mutations.gatekeeper.sh": ("assign", "assignimage", "assignmetadata", "modifyset"),
    "networking.k8s.io": ("ingresses", "networkpolicies"),
    "policy": ("poddisruptionbudgets",),
    _API: ("clusterrolebindings", "clusterroles", "rolebindings", "roles"),
    "storage.k8s.io": ("storageclasses",),
    "templates.gatekeeper.sh": ("constrainttemplates",),
}
_RUN: Rights = {
    _WRITE: {
        "": ("configmaps", "persistentvolumeclaims", "pods", "services"),
        "apps": ("daemonsets", "deployments", "statefulsets"),
        "autoscaling": ("horizontalpodautoscalers",),
        "batch": ("cronjobs", "jobs"),
        "keda.sh": ("scaledobjects",),
        # No ServiceMonitor: its `bearerTokenFile` has Prometheus send its own token to a pod. A PodMonitor
        # takes what it sends from Secrets and ConfigMaps of its own namespace, never from a file.
        "monitoring.coreos.com": ("podmonitors", "prometheusrules"),
        "networking.k8s.io": ("ingresses", "networkpolicies"),
        "policy": ("poddisruptionbudgets",),
    },
    ("create",): {"": ("pods/exec",)},
    # Scale by hand.
    ("patch", "update"): {"apps": ("deployments/scale", "statefulsets/scale")},
}
_CORDON: Rights = {("patch", "update"): {"": ("nodes",)}}
# A pod that is deleted is made anew, which is a restart. Whoever may write a Deployment may mount any Secret
# beside it, so what the services are is changed where they are declared.
_RESTART: Rights = {("delete",): {"": ("pods",)}, ("create",): {"": ("pods/eviction",)}}
# No network policy holds for it, and RBAC knows no port.
_FORWARD: Rights = {("create",): {"": ("pods/portforward",)}}


def roles() -> list[Manifest]:
    """Return the ClusterRoles of people."""
    constraints = sorted(policy.constraint["kind"].lower() for policy in load().policies)
    look: Rights = {_LOOK: {**_EVERYTHING_BUT_SECRETS, "constraints.gatekeeper.sh": constraints}}
    # The break-glass path: one policy is weakened, never Gatekeeper.
    weaken: Rights = {("patch", "update"): {"constraints.gatekeeper.sh": constraints}}
    return [
        _role(PLATFORM_ENGINEER, look, _RESTART, _CORDON, weaken),
        _role(PLATFORM_ENGINEER_PAGES, _FORWARD),
        _role(PLATFORM_ENGINEER_WORKLOADS, _RUN, _FORWARD),
        _role(SERVICE_DEVELOPER, look, _RESTART, _FORWARD),
        _role(READ_ONLY, look),
    ]


def bindings(settings: AccessSettings, namespaces: Sequence[str], parts: Sequence[str]) -> list[Manifest]:
    """Return who holds the roles: what reaches into pods where that is harmless, the rest everywhere.

    Args:
        settings: The people.
        namespaces: Namespaces of the services.
        parts: Namespaces of the parts that are installed.
    """
    found = [
        *_binding(PLATFORM_ENGINEER, settings.platform_engineers),
        *_binding(READ_ONLY, settings.read_only),
    ]
    for namespace in (one for one in _PAGES if one in parts):
        found += _binding(PLATFORM_ENGINEER_PAGES, settings.platform_engineers, namespace)
    for namespace in namespaces:
        found += _binding(PLATFORM_ENGINEER_WORKLOADS, settings.platform_engineers, namespace)
        found += _binding(SERVICE_DEVELOPER, settings.service_developers, namespace)
    return found


def _role(name: str, *rights: Rights) -> Manifest:
    rules = [
        {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
        for each in rights
        for verbs, groups in each.items()
        for group, resources in groups.items()
    ]
    return {
        "apiVersion": f"{_API}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": naming.labels(name, "access")},
        "rules": rules,
    }


def _binding(role: str, people: RoleSubjects, namespace: str | None = None) -> list[Manifest]:
    subjects = [
        {"apiGroup": _API, "kind": kind, "name": name}
        for kind, names in (("Group", people.groups), ("User", people.users))
        for name in names
    ]
    if not subjects:
        return []
    place = {"namespace": namespace} if namespace else {}
    return [
        {
            "apiVersion": f"{_API}/v1",
            "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
            "metadata": {"name": role, **place, "labels": naming.labels(role, "access")},
            "roleRef": {"apiGroup": _API, "kind": "ClusterRole", "name": role},
            "subjects": subjects,
        }
    ]
