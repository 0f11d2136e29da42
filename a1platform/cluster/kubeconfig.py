"""The cluster's kubeconfig: read off a server as a secret, rewritten for use from elsewhere."""

import yaml

from a1platform.cluster.config import API_PORT

READ = """kubeconfig=$(cat /etc/rancher/k3s/k3s.yaml) && token=$(cat /var/lib/rancher/k3s/server/token) &&
    printf '%s\\n---\\n%s\\n' "$kubeconfig" "$token\""""
"""Bash that prints the kubeconfig and the token to join with, or neither: the error of a failed command shows
what it has printed. It runs as root, and the output is secret."""


class KubeconfigError(ValueError):
    """What the server printed is no kubeconfig; the text never holds any of it."""


def rewrite(text: str, host: str, name: str) -> str:
    """Return a kubeconfig that reaches the cluster at `host` under names of its own.

    K3s writes 127.0.0.1 and calls everything `default`, which collides when configurations are merged.

    Args:
        text: K3s's own file.
        host: Name or address of a server, one of those in the API server's certificate.
        name: Name of the cluster, the user and the context.

    Raises:
        KubeconfigError: The text is empty or lacks a part.
    """
    try:
        parsed = yaml.safe_load(text.partition("---\n")[0])
        cluster = parsed["clusters"][0]["cluster"]
        user = parsed["users"][0]["user"]
        found = [
            cluster["certificate-authority-data"],
            user["client-certificate-data"],
            user["client-key-data"],
        ]
    # A day that no calendar has is no YAMLError.
    except (yaml.YAMLError, TypeError, KeyError, IndexError, ValueError):
        found = [None]
    if not all(isinstance(one, str) and one for one in found):
        raise KubeconfigError(
            "kubeconfig of the server: found no cluster with a certificate and a user, expected k3s.yaml"
        )
    authority, certificate, key = found
    address = f"[{host}]" if ":" in host else host
    reached = {"server": f"https://{address}:{API_PORT}", "certificate-authority-data": authority}
    identity = {"client-certificate-data": certificate, "client-key-data": key}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": reached}],
            "users": [{"name": name, "user": identity}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        },
        sort_keys=False,
    )


def token(text: str) -> str:
    """Return the token that other nodes join with, which carries the digest of the cluster's authority.

    Args:
        text: What `READ` prints.

    Raises:
        KubeconfigError: There is no full token.
    """
    found = text.rpartition("---\n")[2].strip()
    if not found.startswith("K10") or "::" not in found:
        raise KubeconfigError(
            "token of the server: found none, expected K3s's full token, K10...::server:..."
        )
    return found
