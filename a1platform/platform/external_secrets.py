"""External Secrets: one store for the cluster, filled from Pulumi's secrets unless another is configured.

The cluster-local store is a namespace whose Secrets no service may read, but the store's own account and the
parts that need those of all namespaces (docs/platform.md, Who reads the store). A service gets what it needs
by an ExternalSecret, so that moving to Vault or a cloud changes the store and no service.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_kubernetes.helm.v3 import Release
from pydantic import SecretStr

from a1platform.delivery.manifest import Manifest
from a1platform.delivery.pulumi_sink import declare, declare_secret
from a1platform.naming import labels, token
from a1platform.platform.namespaces import EXTERNAL_SECRETS, SECRETS
from a1platform.platform.part import PartArgs
from a1platform.platform.release import ReleaseArgs, release
from a1platform.platform.sizes import sized
from a1platform.platform.values import budget, merged
from a1platform.settings.platform import ExternalSecretsSettings

STORE = "a1-cluster-store"
READER = "a1-store-reader"
_READY_SECONDS = "120"
_Content = dict[str, Mapping[str, pulumi.Input[str]]]


@dataclass(frozen=True)
class ExternalSecretsArgs:
    """What External Secrets and its store are made of.

    Attributes:
        part: What every part is made of.
        content: What the cluster-local store holds, Secret to key to value; what the settings say wins.
    """

    part: PartArgs[ExternalSecretsSettings]
    content: Mapping[str, Mapping[str, pulumi.Input[str]]] = field(default_factory=dict)


class ExternalSecrets(pulumi.ComponentResource):
    """External Secrets with a store that answers.

    Attributes:
        origin: What is installed, in words.
        store: Name of the ClusterSecretStore.
    """

    origin: pulumi.Output[str]
    store: pulumi.Output[str]

    release: Release
    """Done when operator, webhook and its certificates are ready."""

    def __init__(
        self, name: str, args: ExternalSecretsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the release, the store, and what it reads with: an account and content, or secrets."""
        super().__init__(token("platform", "ExternalSecrets"), name, None, opts)
        part = args.part
        own = pulumi.ResourceOptions(parent=self, depends_on=part.before)
        self.release = release(
            f"{name}-release",
            ReleaseArgs(
                "external-secrets", EXTERNAL_SECRETS, part.chart, values(part), part.settings.timeout
            ),
            self,
            part.before,
        )
        behind: list[pulumi.Resource] = []
        provider = part.settings.provider
        if provider is None:
            behind = [declare(manifest, own) for manifest in reader()]
            behind += _content(name, args, own)
        else:
            behind += _secrets(
                f"{name}-provider", EXTERNAL_SECRETS, _given(part.settings.provider_secrets), own
            )
        # The store's webhook fails closed, so the release has to be ready; and a store without its account
        # is refused for a refresh interval.
        awaited = pulumi.ResourceOptions(parent=self, depends_on=[self.release, *behind])
        declare(
            cluster_store(provider or local_provider()), pulumi.ResourceOptions.merge(awaited, _made_anew())
        )
        self.origin = pulumi.Output.from_input(part.chart.origin)
        self.store = pulumi.Output.from_input(STORE)
        self.register_outputs({"origin": self.origin, "store": self.store})


def values(args: PartArgs[ExternalSecretsSettings]) -> dict[str, Any]:
    """Return the chart's values."""
    replicas = args.settings.replicas
    several = {"replicaCount": replicas, "podDisruptionBudget": budget(replicas)}
    ours = {
        **several,
        # Else every one of them writes every Secret.
        "leaderElect": replicas > 1,
        "serviceMonitor": {"enabled": args.monitoring},
        **sized("external-secrets", args.sizing),
        "webhook": {**several, **sized("external-secrets-webhook", args.sizing)},
        "certController": sized("external-secrets-certificates", args.sizing),
    }
    return merged(ours, args.settings.values)


def local_provider() -> Manifest:
    """Return the store's provider that reads the Secrets of one namespace, as one account."""
    certificate = {"type": "ConfigMap", "name": "kube-root-ca.crt", "key": "ca.crt", "namespace": SECRETS}
    return {
        "kubernetes": {
            "remoteNamespace": SECRETS,
            "server": {"url": "https://kubernetes.default.svc", "caProvider": certificate},
            "auth": {"serviceAccount": {"name": READER, "namespace": SECRETS}},
        }
    }


def cluster_store(provider: Mapping[str, Any]) -> Manifest:
    """Return the store that every ExternalSecret of the platform names.

    Args:
        provider: Its `spec.provider`.
    """
    waiting = {"pulumi.com/waitFor": "condition=Ready", "pulumi.com/timeoutSeconds": _READY_SECONDS}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": STORE, "labels": labels(STORE, "secrets"), "annotations": waiting},
        "spec": {"provider": dict(provider)},
    }


def reader() -> list[Manifest]:
    """Return the account that reads the store's namespace, and nothing else anywhere."""
    metadata = {"name": READER, "namespace": SECRETS, "labels": labels(READER, "secrets")}
    group = "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata,
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": READER},
            "subjects": [{"kind": "ServiceAccount", "name": READER, "namespace": SECRETS}],
        },
    ]


def _made_anew() -> pulumi.ResourceOptions:
    """Return by what a store with another provider is another store.

    Its status has neither the generation nor the provider that it is about: one that is changed in place is
    Ready by what its old provider answered, and the cluster-local content would go before the new one has
    answered at all. Secrets that were synced stay while there is no store.
    """
    return pulumi.ResourceOptions(replace_on_changes=["spec.provider"], delete_before_replace=True)


def _content(name: str, args: ExternalSecretsArgs, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    content: _Content = {key: dict(held) for key, held in args.content.items()}
    for source, given in _given(args.part.settings.secrets).items():
        content[source] = {**content.get(source, {}), **given}
    return _secrets(name, SECRETS, content, opts)


def _given(settings: Mapping[str, Mapping[str, SecretStr]]) -> _Content:
    return {
        source: {key: value.get_secret_value() for key, value in held.items()}
        for source, held in settings.items()
    }


def _secrets(
    name: str, namespace: str, content: _Content, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    return [
        declare_secret(
            f"{name}-{source}",
            {"name": source, "namespace": namespace, "labels": labels(source, "secrets")},
            {key: pulumi.Output.secret(value) for key, value in held.items()},
            opts,
        )
        for source, held in sorted(content.items())
    ]
