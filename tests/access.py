"""Who may do what; asked of the roles' rules and of the documents, and of the API server of a cluster."""

from dataclasses import dataclass

from a1platform.platform.access import PLATFORM_ENGINEER, READ_ONLY, SERVICE_DEVELOPER
from a1platform.platform.external_secrets import READER
from a1platform.platform.network import REACHES
from a1platform.services.resolve import NAMESPACE


@dataclass(frozen=True)
class Question:
    """May a holder of a role do this?

    Attributes:
        role: The role.
        verb: Such as `get`.
        group: API group, empty for core.
        resource: Plural, with the subresource after a slash.
        namespace: Where; empty for what is in none.
        allowed: The answer.
    """

    role: str
    verb: str
    group: str
    resource: str
    namespace: str
    allowed: bool

    def __str__(self) -> str:
        """Return the question with its answer, as a test's name."""
        answer = "may" if self.allowed else "may-not"
        return f"{self.role}-{answer}-{self.verb}-{self.resource}-in-{self.namespace or 'the-cluster'}"


def _may(role: str, verb: str, group: str, resource: str, namespace: str = "") -> Question:
    return Question(role, verb, group, resource, namespace, allowed=True)


def _may_not(role: str, verb: str, group: str, resource: str, namespace: str = "") -> Question:
    return Question(role, verb, group, resource, namespace, allowed=False)


RBAC, APPS, CONSTRAINTS = "rbac.authorization.k8s.io", "apps", "constraints.gatekeeper.sh"
ARGO, STORES, MONITORS = "argoproj.io", "external-secrets.io", "monitoring.coreos.com"
REPORTS = "aquasecurity.github.io"
_ALL = (PLATFORM_ENGINEER, SERVICE_DEVELOPER, READ_ONLY)
_SECRETS = "a1-secrets"

STORE_READERS = frozenset(
    {
        (_SECRETS, READER),
        ("argocd", "argocd-application-controller"),
        ("argocd", "argocd-server"),
        ("external-secrets", "external-secrets"),
        ("external-secrets", "external-secrets-cert-controller"),
        ("gatekeeper-system", "gatekeeper-admin"),
        ("prometheus", "kps-operator"),
    }
)
"""The parts' accounts, by namespace and name, that may read the cluster-local store: docs/platform.md."""

QUESTIONS = [
    # Everybody sees the services, nobody their secrets.
    *(_may(role, "list", "", "pods", NAMESPACE) for role in _ALL),
    *(_may(role, "get", "", "pods/log", NAMESPACE) for role in _ALL),
    *(_may(role, "get", APPS, "deployments", NAMESPACE) for role in _ALL),
    *(_may(role, "get", REPORTS, "vulnerabilityreports", NAMESPACE) for role in _ALL),
    *(_may_not(role, "get", "", "secrets", NAMESPACE) for role in _ALL),
    *(_may_not(role, "list", "", "secrets", _SECRETS) for role in _ALL),
    # Nobody hands out rights, borrows somebody's, or decides what is admitted.
    *(
        _may_not(role, verb, group, resource, namespace)
        for role in _ALL
        for verb, group, resource, namespace in (
            ("create", RBAC, "clusterrolebindings", ""),
            ("patch", RBAC, "clusterrolebindings", ""),
            ("create", RBAC, "rolebindings", NAMESPACE),
            ("patch", RBAC, "clusterroles", ""),
            ("bind", RBAC, "clusterroles", ""),
            ("escalate", RBAC, "roles", NAMESPACE),
            ("impersonate", "", "users", ""),
            ("impersonate", "", "groups", ""),
            ("impersonate", "", "serviceaccounts", "argocd"),
            ("create", "", "serviceaccounts/token", NAMESPACE),
            ("create", "", "serviceaccounts/token", "argocd"),
            ("create", "certificates.k8s.io", "certificatesigningrequests", ""),
            ("update", "certificates.k8s.io", "certificatesigningrequests/approval", ""),
            ("patch", "", "namespaces", ""),
            ("patch", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", ""),
            ("patch", "admissionregistration.k8s.io", "validatingwebhookconfigurations", ""),
            ("patch", "templates.gatekeeper.sh", "constrainttemplates", ""),
            ("patch", "config.gatekeeper.sh", "configs", "gatekeeper-system"),
            ("patch", "mutations.gatekeeper.sh", "assign", ""),
            # The kubelet runs what it is asked to in any pod.
            ("get", "", "nodes/proxy", ""),
            ("create", "", "nodes/proxy", ""),
            # A pod's shell by other names.
            ("create", "", "pods/attach", "argocd"),
            ("patch", "", "pods/ephemeralcontainers", "argocd"),
        )
    ),
    # Nor does anybody have a part do it: Argo CD applies what an Application says with rights on everything,
    # its repository server and its cache trust whoever reaches them, a store gives out any key, and a
    # ServiceMonitor has Prometheus send any file of its own, its token too.
    *(
        _may_not(role, verb, group, resource, namespace)
        for role in _ALL
        for verb, group, resource, namespace in (
            *((verb, ARGO, "applications", "argocd") for verb in ("create", "patch", "update", "delete")),
            ("patch", ARGO, "appprojects", "argocd"),
            ("create", ARGO, "applicationsets", "argocd"),
            ("create", "", "pods/portforward", "argocd"),
            ("create", "", "services/proxy", "argocd"),
            ("get", "", "secrets", "argocd"),
            *((verb, STORES, "externalsecrets", NAMESPACE) for verb in ("create", "patch", "update")),
            ("patch", STORES, "clustersecretstores", ""),
            *((verb, MONITORS, "servicemonitors", NAMESPACE) for verb in ("create", "patch", "update")),
        )
    ),
    # What an alert asks to look at first: the findings in images everywhere, and what Gatekeeper goes by.
    *(
        _may(role, "list", group, resource, namespace)
        for role in (PLATFORM_ENGINEER, READ_ONLY)
        for group, resource, namespace in (
            (REPORTS, "vulnerabilityreports", "keda"),
            (CONSTRAINTS, "a1podprivilege", ""),
            ("templates.gatekeeper.sh", "constrainttemplates", ""),
            ("config.gatekeeper.sh", "configs", "gatekeeper-system"),
            ("mutations.gatekeeper.sh", "assign", ""),
            ("mutations.gatekeeper.sh", "assignimage", ""),
            ("mutations.gatekeeper.sh", "assignmetadata", ""),
            ("mutations.gatekeeper.sh", "modifyset", ""),
            ("", "pods/log", "gatekeeper-system"),
        )
    ),
    # A platform engineer runs the platform, and has the break-glass path of one policy.
    _may(PLATFORM_ENGINEER, "patch", APPS, "deployments", NAMESPACE),
    _may(PLATFORM_ENGINEER, "create", "", "pods/exec", NAMESPACE),
    _may(PLATFORM_ENGINEER, "delete", "", "pods", "argocd"),
    _may(PLATFORM_ENGINEER, "get", ARGO, "applications", "argocd"),
    _may(PLATFORM_ENGINEER, "get", STORES, "externalsecrets", NAMESPACE),
    _may(PLATFORM_ENGINEER, "get", MONITORS, "servicemonitors", NAMESPACE),
    _may(PLATFORM_ENGINEER, "patch", MONITORS, "podmonitors", NAMESPACE),
    _may(PLATFORM_ENGINEER, "create", "", "pods/portforward", NAMESPACE),
    _may(PLATFORM_ENGINEER, "create", "", "pods/eviction", "keda"),
    _may(PLATFORM_ENGINEER, "patch", "", "nodes"),
    _may(PLATFORM_ENGINEER, "patch", CONSTRAINTS, "a1podprivilege"),
    # But it does not act as the accounts of the parts, which have rights on the whole cluster.
    *(
        _may_not(PLATFORM_ENGINEER, verb, group, resource, namespace)
        for namespace in ("kube-system", "default", *REACHES)
        for verb, group, resource in (
            ("create", "", "pods"),
            ("create", "", "pods/exec"),
            ("create", "", "configmaps"),
            ("patch", APPS, "deployments"),
            ("patch", APPS, "daemonsets"),
        )
    ),
    _may_not(PLATFORM_ENGINEER, "delete", CONSTRAINTS, "a1podprivilege"),
    _may_not(PLATFORM_ENGINEER, "delete", "", "namespaces"),
    # A service developer restarts pods and looks into them from outside, in the services' namespace alone.
    _may(SERVICE_DEVELOPER, "delete", "", "pods", NAMESPACE),
    _may(SERVICE_DEVELOPER, "create", "", "pods/portforward", NAMESPACE),
    _may_not(SERVICE_DEVELOPER, "create", "", "pods/exec", NAMESPACE),
    _may_not(SERVICE_DEVELOPER, "patch", APPS, "deployments", NAMESPACE),
    _may_not(SERVICE_DEVELOPER, "list", "", "pods", "argocd"),
    _may_not(SERVICE_DEVELOPER, "list", "", "nodes"),
    # Who only reads changes nothing anywhere.
    _may(READ_ONLY, "list", "", "nodes"),
    _may(READ_ONLY, "list", "", "pods", "argocd"),
    _may_not(READ_ONLY, "delete", "", "pods", NAMESPACE),
    _may_not(READ_ONLY, "create", "", "pods/portforward", NAMESPACE),
    _may_not(READ_ONLY, "patch", "", "nodes"),
]
