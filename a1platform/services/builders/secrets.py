"""The secrets of a service, fetched from the store."""

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.services.builders.metadata import MANAGER, metadata
from a1platform.services.model import DOCKER_CONFIG, McpServiceArgs

STORE = "a1-cluster-store"
REFRESH = "15m"


def secret_name(args: McpServiceArgs) -> str:
    """Return the name of the Secret that holds all of a service's secret files, and of no other service's."""
    return args.entry.name


def external_secret(args: McpServiceArgs) -> list[Manifest]:
    """Return the ExternalSecret, or nothing where the service needs no secret."""
    if not args.entry.secrets:
        return []
    data = [_fetched(secret.source, secret.key, secret.key) for secret in args.entry.secrets]
    target = {"name": secret_name(args), "creationPolicy": "Owner", "deletionPolicy": "Retain"}
    return [_external_secret(metadata(args), target, data)]


def pull_secret(name: str, namespace: str) -> Manifest:
    """Return the ExternalSecret of what opens the image's registry; every service's account names it.

    Args:
        name: The Secret, in the store and here.
        namespace: Of the services.
    """
    labels = {"app.kubernetes.io/part-of": naming.PART_OF, "app.kubernetes.io/managed-by": MANAGER}
    target = {
        "name": name,
        "creationPolicy": "Owner",
        "deletionPolicy": "Retain",
        "template": {
            "type": "kubernetes.io/dockerconfigjson",
            "engineVersion": "v2",
            "mergePolicy": "Replace",
        },
    }
    about = {"name": name, "namespace": namespace, "labels": labels}
    return _external_secret(about, target, [_fetched(name, DOCKER_CONFIG, f".{DOCKER_CONFIG}")])


def _external_secret(about: Manifest, target: Manifest, data: list[Manifest]) -> Manifest:
    # Defaults of the API are written out, so that what is declared equals what the cluster says.
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": about,
        "spec": {
            "refreshInterval": REFRESH,
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": STORE},
            "target": target,
            "data": data,
        },
    }


def _fetched(source: str, key: str, name: str) -> Manifest:
    policies = {"conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None"}
    return {"secretKey": name, "remoteRef": {"key": source, "property": key, **policies}}
