"""The named roles for people: what each may do, as ClusterRoles, and who holds them.

No role reads Secrets, hands out rights or changes what is admitted to the cluster; that takes the operator's
own kubeconfig. Nor does one get there by a detour: whoever may write a pod, or run a program in one, may do
what its account may, so that is given where the services run and nowhere else: no account there has much.
Every right is named, as the policies on wildcards ask of others.
"""

from collections.abc import Mapping, Sequence

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.platform.policy_set import load
from a1platform.settings.access import AccessSettings, RoleSubjects

PLATFORM_ENGINEER = "a1-platform-engineer"
PLATFORM_ENGINEER_WORKLOADS = "a1-platform-engineer-workloads"
"""What a platform engineer may do beside it in the namespaces of the services."""
SERVICE_DEVELOPER = "a1-service-developer"
READ_ONLY = "a1-read-only"

_API = "rbac.authorization.k8s.io"
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
    "argoproj.io": ("applications", "appprojects"),
    "autoscaling": ("horizontalpodautoscalers",),
    "batch": ("cronjobs", "jobs"),
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
        "monitoring.coreos.com": ("podmonitors", "prometheusrules", "servicemonitors"),
        "networking.k8s.io": ("ingresses", "networkpolicies"),
        "policy": ("poddisruptionbudgets",),
    },
    ("create",): {"": ("pods/exec",)},
    # Scale by hand; force a refresh.
    ("patch", "update"): {
        "apps": ("deployments/scale", "statefulsets/scale"),
        "external-secrets.io": ("externalsecrets",),
    },
}
# Cordon; sync.
_TEND: Rights = {("patch", "update"): {"": ("nodes",), "argoproj.io": ("applications",)}}
# A pod that is deleted is made anew, which is a restart. Whoever may write a Deployment may mount any Secret
# beside it, so what the services are is changed where they are declared.
_CARE: Rights = {
    ("delete",): {"": ("pods",)},
    ("create",): {"": ("pods/eviction", "pods/portforward")},
}


def roles() -> list[Manifest]:
    """Return the ClusterRoles of people."""
    constraints = sorted(policy.constraint["kind"].lower() for policy in load().policies)
    look: Rights = {_LOOK: {**_EVERYTHING_BUT_SECRETS, "constraints.gatekeeper.sh": constraints}}
    # The break-glass path: one policy is weakened, never Gatekeeper.
    weaken: Rights = {("patch", "update"): {"constraints.gatekeeper.sh": constraints}}
    return [
        _role(PLATFORM_ENGINEER, look, _CARE, _TEND, weaken),
        _role(PLATFORM_ENGINEER_WORKLOADS, _RUN),
        _role(SERVICE_DEVELOPER, look, _CARE),
        _role(READ_ONLY, look),
    ]


def bindings(settings: AccessSettings, namespaces: Sequence[str]) -> list[Manifest]:
    """Return who holds the roles: what reaches into pods in the services' namespaces, the rest everywhere.

    Args:
        settings: The people.
        namespaces: Namespaces of the services.
    """
    found = [
        *_binding(PLATFORM_ENGINEER, settings.platform_engineers),
        *_binding(READ_ONLY, settings.read_only),
    ]
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
