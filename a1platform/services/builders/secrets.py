"""The secrets of a service, fetched from the store."""

from a1platform.delivery.manifest import Manifest
from a1platform.services.builders.metadata import metadata
from a1platform.services.model import McpServiceArgs

STORE = "a1-cluster-store"
REFRESH = "15m"


def secret_name(args: McpServiceArgs) -> str:
    """Return the name of the Secret that holds all of a service's secret files, and of no other service's."""
    return args.entry.name


def external_secret(args: McpServiceArgs) -> list[Manifest]:
    """Return the ExternalSecret, or nothing where the service needs no secret.

    Defaults of the API are written out, so that what is declared equals what the cluster says.
    """
    if not args.entry.secrets:
        return []
    name = secret_name(args)
    return [
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": metadata(args),
            "spec": {
                "refreshInterval": REFRESH,
                "secretStoreRef": {"kind": "ClusterSecretStore", "name": STORE},
                "target": {"name": name, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
                "data": [
                    {
                        "secretKey": secret.key,
                        "remoteRef": {
                            "key": secret.source,
                            "property": secret.key,
                            "conversionStrategy": "Default",
                            "decodingStrategy": "None",
                            "metadataPolicy": "None",
                        },
                    }
                    for secret in args.entry.secrets
                ],
            },
        }
    ]
