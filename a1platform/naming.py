"""Type tokens, labels, limits of names and names of images: pure functions, one place for every name."""

import re

PROJECT = "a1platform"
"""Name of the Pulumi project, and so the namespace of its configuration keys."""

PRODUCTION = "a1"
"""The stack that `make` acts on where machines are configured."""

PART_OF = "a1platform"
"""Value of `app.kubernetes.io/part-of` on everything that this program declares."""

_REGISTRY = re.compile(r"localhost|.*[.:].*")
_DNS_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")


def token(package: str, component: str) -> str:
    """Return the Pulumi type token of a component.

    Args:
        package: The package of `a1platform` that holds the component, such as `node`.
        component: The class name, such as `HardenedNode`.

    Returns:
        `a1platform:<package>:<component>`. A changed token replaces every child unless an alias names the old
        one.
    """
    return f"a1platform:{package}:{component}"


def labels(name: str, component: str) -> dict[str, str]:
    """Return the recommended Kubernetes labels.

    Args:
        name: The application, such as `mcp-gateway`.
        component: Its role on the platform, such as `service` or `policy`.

    Returns:
        The `app.kubernetes.io/*` labels.
    """
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": PART_OF,
        "app.kubernetes.io/managed-by": "pulumi",
    }


def selector(name: str) -> dict[str, str]:
    """Return the labels that select the pods of an application.

    A Deployment's selector can never change, so this is the stable subset of `labels`.
    """
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": PART_OF}


def is_dns_label(text: str) -> bool:
    """Tell whether a text is a DNS label (RFC 1123), as names of nodes and namespaces have to be."""
    return _DNS_LABEL.fullmatch(text) is not None


def qualified(reference: str) -> str:
    """Return an image reference with its registry in front, read as `policies/lib/image.rego` reads it.

    Args:
        reference: The reference; its first part is a registry when it could be a host.
    """
    first, slash, _ = reference.partition("/")
    if not slash:
        return f"docker.io/library/{reference}"
    return reference if _REGISTRY.fullmatch(first) else f"docker.io/{reference}"
