"""The namespaces, each there with its labels before anything is installed into it.

Two things make the order matter. Pod Security admission judges a pod by the labels that its namespace has at
that moment; and Gatekeeper, once installed, refuses changes of a namespace for as long as it cannot answer.
"""

from collections.abc import Collection, Iterable, Mapping

import pulumi

from a1platform.cluster.config import default_account
from a1platform.delivery.manifest import Manifest
from a1platform.delivery.pulumi_sink import declare
from a1platform.naming import PART_OF

SECRETS = "a1-secrets"
GATEKEEPER = "gatekeeper-system"
EXTERNAL_SECRETS = "external-secrets"
KEDA = "keda"
ARGO_CD = "argocd"
PROMETHEUS = "prometheus"
NODE_EXPORTER = "node-exporter"
TRACING = "tracing"
IMAGE_SCANNING = "trivy-system"

PARTS: Mapping[str, tuple[str, ...]] = {
    "gatekeeper": (GATEKEEPER,),
    "external-secrets": (EXTERNAL_SECRETS, SECRETS),
    "keda": (KEDA,),
    "argo-cd": (ARGO_CD,),
    "monitoring": (PROMETHEUS, NODE_EXPORTER),
    "tracing": (TRACING,),
    "image-scanning": (IMAGE_SCANNING,),
}
"""The namespaces of each part."""

_IGNORE = "admission.gatekeeper.sh/ignore"
_OWN = "no-self-managing"
"""What Gatekeeper's chart itself writes on its own namespace."""


def namespace(name: str, exempt: Collection[str]) -> Manifest:
    """Return a namespace: restricted pods, but for the node exporter, which is made of what that forbids.

    Args:
        name: Its name.
        exempt: Namespaces that no admission policy reaches.
    """
    level = "privileged" if name == NODE_EXPORTER else "restricted"
    labels = {"app.kubernetes.io/part-of": PART_OF, "app.kubernetes.io/managed-by": "pulumi"}
    for mode in ("enforce", "audit", "warn"):
        labels[f"pod-security.kubernetes.io/{mode}"] = level
        labels[f"pod-security.kubernetes.io/{mode}-version"] = "latest"
    if name in exempt:
        labels[_IGNORE] = _OWN if name == GATEKEEPER else "true"
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def declare_namespaces(
    names: Iterable[str], exempt: Collection[str], opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """Declare namespaces, in which no pod gets a token of the default account that it does not ask for.

    Args:
        names: Their names.
        exempt: Namespaces that no admission policy reaches.
        opts: Parent and what to wait for.
    """
    declared: list[pulumi.Resource] = []
    for name in names:
        made = declare(namespace(name, exempt), opts)
        inside = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[made]))
        declared += [made, declare(default_account(name), inside, name=f"{name}-default-account")]
    return declared
