"""The slice of the configuration for the third-party parts: which are installed, how large, where from."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, SecretStr, model_validator

from a1platform.settings.base import Settings
from a1platform.settings.services import Profile

PartName = Literal["gatekeeper", "external-secrets", "keda", "argo-cd", "monitoring"]
"""A part by the name that the bundle and the command line know it by."""

Level = Literal["first", "second", "third", "emergency"]
"""A step of the escalation path, see `a1platform.observability.escalation`."""

_URL = re.compile(r"^https?://[^\s/]+\S*$")


def _secret_url(value: SecretStr) -> SecretStr:
    if _URL.fullmatch(value.get_secret_value()) is None:
        raise ValueError(
            "found a text, which is not shown, expected a URL such as https://hooks.example.com/x"
        )
    return value


SecretUrl = Annotated[SecretStr, AfterValidator(_secret_url)]
"""A URL that is as good as a password."""
ChartRepository = Annotated[str, Field(pattern=r"^(https?|oci)://\S+$")]
Quantity = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Mi|Gi|Ti)$")]
Period = Annotated[str, Field(pattern=r"^[1-9][0-9]*[hdwy]$")]


class PartSettings(Settings):
    """What every part has; a part that is off needs nothing else.

    Attributes:
        enabled: Whether it is installed.
        repository: Chart repository in place of the official one, such as a mirror.
        values: Chart values of the site's own, merged last.
    """

    enabled: bool = True
    repository: ChartRepository | None = None
    values: dict[str, JsonValue] = Field(default_factory=dict)


class GatekeeperSettings(PartSettings):
    """Admission policies.

    Attributes:
        replicas: Pods that answer the API server.
    """

    replicas: int = Field(default=1, ge=1, le=5)


class ExternalSecretsSettings(PartSettings):
    """Secrets from a store into the namespaces that use them.

    Attributes:
        provider: `spec.provider` of the ClusterSecretStore, such as `{"vault": {...}}`; the cluster-local
            store where it is absent.
        secrets: Content of the cluster-local store, Secret to key to value, in place of what is generated.
            Set with `pulumi config set --secret --path`.
    """

    provider: dict[str, JsonValue] | None = None
    secrets: dict[str, dict[str, SecretStr]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_store(self) -> Self:
        if self.provider is not None and len(self.provider) != 1:
            names = ", ".join(self.provider) or "none"
            raise ValueError(f"provider: found {names}, expected one provider such as vault: {{...}}")
        if self.provider is not None and self.secrets:
            raise ValueError("found both provider and secrets, expected secrets without a provider")
        return self


class KedaSettings(PartSettings):
    """Autoscaling by events and queries."""


class ArgoCdSettings(PartSettings):
    """Delivery from Git; what it syncs is said by `services.gitops`."""


class MonitoringSettings(PartSettings):
    """Prometheus, Alertmanager, exporters, Grafana.

    Attributes:
        grafana: Whether Grafana is installed; a bundle without it leaves it out in any case.
        retention: How long Prometheus keeps data.
        storage: Size of the volume of Prometheus, by default that of the profile; the data stays below it
            whatever the retention.
        webhooks: URL that Alertmanager tells, by level of the escalation path. Set with
            `pulumi config set --secret --path`: who knows such a URL can write there.
    """

    grafana: bool = True
    retention: Period = "15d"
    storage: Quantity | None = None
    webhooks: dict[Level, SecretUrl] = Field(default_factory=dict)


class PlatformSettings(Settings):
    """Everything configurable about the third-party parts.

    Attributes:
        profile: Sizes: all of the platform on two cores, or real nodes.
        network_policies: Whether the namespaces of the parts deny all traffic but what each is made of; that
            of the services always does.
        gatekeeper: See `GatekeeperSettings`.
        external_secrets: See `ExternalSecretsSettings`.
        keda: See `KedaSettings`.
        argo_cd: See `ArgoCdSettings`.
        monitoring: See `MonitoringSettings`.
    """

    profile: Profile = Profile.SMALL
    network_policies: bool = False
    gatekeeper: GatekeeperSettings = GatekeeperSettings()
    external_secrets: ExternalSecretsSettings = ExternalSecretsSettings()
    keda: KedaSettings = KedaSettings()
    argo_cd: ArgoCdSettings = ArgoCdSettings()
    monitoring: MonitoringSettings = MonitoringSettings()

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
        }
        return parts[name]
