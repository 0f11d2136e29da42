"""The slice of the configuration for the third-party parts: which are installed, how large, where from."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, SecretStr

from a1platform.settings.argocd import ArgoCdSettings
from a1platform.settings.base import Settings
from a1platform.settings.part import PartSettings, Period, Quantity, Replicas
from a1platform.settings.services import Profile
from a1platform.settings.sizes import Container, SizeSettings
from a1platform.settings.together import Problem, gives

PartName = Literal[
    "gatekeeper", "external-secrets", "keda", "argo-cd", "monitoring", "tracing", "image-scanning"
]
"""A part by the name that the bundle and the command line know it by."""

Level = Literal["first", "second", "third", "emergency"]
"""A step of the escalation path, see `a1platform.observability.escalation`."""

NamespaceName = Annotated[
    str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", examples=["ingress-nginx"])
]

SecretName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", examples=["vault"])]

_OF_THE_CHART = "external-secrets"
"""How the names of what the chart keeps in the same namespace begin."""

_URL = re.compile(r"^https?://[^\s/]+\S*$")


def _secret_url(value: SecretStr) -> SecretStr:
    if _URL.fullmatch(value.get_secret_value()) is None:
        raise ValueError(
            "found a text, which is not shown, expected a URL such as https://hooks.example.com/x"
        )
    return value


SecretUrl = Annotated[SecretStr, AfterValidator(_secret_url)]
"""A URL that is as good as a password."""


class GatekeeperSettings(PartSettings):
    """Admission policies.

    Attributes:
        replicas: Pods that answer the API server.
    """

    replicas: Replicas = 1


class ExternalSecretsSettings(PartSettings):
    """Secrets from a store into the namespaces that use them.

    Attributes:
        replicas: Pods of the operator, one of which works, and of its webhook, which all answer.
        provider: `spec.provider` of the ClusterSecretStore, such as `{"vault": {...}}`; the cluster-local
            store where it is absent.
        secrets: Content of the cluster-local store, Secret to key to value, in place of what is generated.
            Set with `pulumi config set --secret --path`.
        provider_secrets: What the provider opens the site's own store with, Secret to key to value, in the
            namespace `external-secrets`. Set with `pulumi config set --secret --path`.
    """

    replicas: Replicas = 1
    provider: dict[str, JsonValue] | None = None
    secrets: dict[str, dict[str, SecretStr]] = Field(default_factory=dict)
    provider_secrets: dict[SecretName, dict[str, SecretStr]] = Field(default_factory=dict)

    def between(self, given: object) -> Iterator[Problem]:
        """Return where there is not one store."""
        yield from super().between(given)
        if self.provider is not None and len(self.provider) != 1:
            names = ", ".join(self.provider) or "none"
            yield Problem(("provider",), f"found {names}, expected one provider such as vault: {{...}}")
        if gives(self, given, "provider") and gives(self, given, "secrets"):
            yield Problem((), "found both provider and secrets, expected secrets without a provider")
        if self.provider_secrets and not gives(self, given, "provider"):
            text = "found some without a provider, expected secrets, which the cluster-local store holds"
            yield Problem(("providerSecrets",), text)
        for name in self.provider_secrets:
            if name.startswith(_OF_THE_CHART):
                text = f"found {name}, expected a name that does not begin like the chart's own"
                yield Problem(("providerSecrets",), text)


class KedaSettings(PartSettings):
    """Autoscaling by events and queries.

    Attributes:
        replicas: Pods of the operator, one of which works, and of its webhook, which all answer.
    """

    replicas: Replicas = 1


class MonitoringSettings(PartSettings):
    """Prometheus, Alertmanager, exporters, Grafana.

    Attributes:
        grafana: Whether Grafana is installed; a bundle without it leaves it out in any case.
        prometheus_replicas: Pods of Prometheus, each with all data on a volume of its own.
        alertmanager_replicas: Pods of Alertmanager, which tell each other what they have sent.
        retention: How long Prometheus keeps data.
        storage: Size of the volume of Prometheus, by default that of the profile; the data stays below it
            whatever the retention.
        alertmanager_storage: Size of the volume of Alertmanager's silences.
        grafana_storage: Size of the volume of what is made in Grafana itself; dashboards come from files.
        webhooks: URL that Alertmanager tells, by level of the escalation path. Set with
            `pulumi config set --secret --path`: who knows such a URL can write there.
    """

    grafana: bool = True
    prometheus_replicas: Replicas = 1
    alertmanager_replicas: Replicas = 1
    retention: Period = "15d"
    storage: Quantity | None = None
    alertmanager_storage: Quantity = "1Gi"
    grafana_storage: Quantity = "1Gi"
    webhooks: dict[Level, SecretUrl] = Field(default_factory=dict)


class TracingSettings(PartSettings):
    """Jaeger, to which `mcp-tracehub` forwards every span; off by default.

    Attributes:
        enabled: Whether it is installed.
        retention: How long spans are kept at most.
        storage: Size of its volume, by default that of the profile. Traces that would not fit on it within
            the retention are not kept.
    """

    enabled: bool = False
    retention: Period = "3d"
    storage: Quantity | None = None


class ImageScanningSettings(PartSettings):
    """Trivy Operator, which looks for vulnerabilities in the images of all workloads; off by default.

    It downloads its database and the images' layers, so it needs the internet, and sees no image that is in
    no registry.

    Attributes:
        enabled: Whether it is installed.
        concurrent_scans: Most scans at a time; each asks for half a GiB of memory.
        only_fixed: Whether only vulnerabilities count that a newer package mends.
    """

    enabled: bool = False
    concurrent_scans: int = Field(default=1, ge=1, le=20)
    only_fixed: bool = True


class PlatformSettings(Settings):
    """Everything configurable about the third-party parts.

    Attributes:
        profile: Sizes: all of the platform on two cores, or real nodes.
        network_policies: Whether the namespaces of the parts deny all traffic but what each is made of; that
            of the services always does.
        ingress_namespace: Namespace of an ingress controller, whose pods may then call the pages of Argo CD
            and Grafana; the Ingress itself is the site's own.
        sizes: Sizes of single containers that differ from the profile's, such as `prometheus`.
        gatekeeper: See `GatekeeperSettings`.
        external_secrets: See `ExternalSecretsSettings`.
        keda: See `KedaSettings`.
        argo_cd: See `ArgoCdSettings`.
        monitoring: See `MonitoringSettings`.
        tracing: See `TracingSettings`.
        image_scanning: See `ImageScanningSettings`.
    """

    profile: Profile = Profile.SMALL
    network_policies: bool = True
    ingress_namespace: NamespaceName | None = None
    sizes: dict[Container, SizeSettings] = Field(default_factory=dict)
    gatekeeper: GatekeeperSettings = GatekeeperSettings()
    external_secrets: ExternalSecretsSettings = ExternalSecretsSettings()
    keda: KedaSettings = KedaSettings()
    argo_cd: ArgoCdSettings = ArgoCdSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    tracing: TracingSettings = TracingSettings()
    image_scanning: ImageScanningSettings = ImageScanningSettings()

    def part(self, name: PartName) -> PartSettings:
        """Return the settings of a part.

        Args:
            name: Its name.
        """
        parts: dict[str, PartSettings] = {
            "gatekeeper": self.gatekeeper,
            "external-secrets": self.external_secrets,
            "keda": self.keda,
            "argo-cd": self.argo_cd,
            "monitoring": self.monitoring,
            "tracing": self.tracing,
            "image-scanning": self.image_scanning,
        }
        return parts[name]
