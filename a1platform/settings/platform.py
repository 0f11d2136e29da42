"""The slice of the configuration for the third-party parts: which are installed, how large, where from."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, SecretStr, model_validator

from a1platform.settings.base import Settings
from a1platform.settings.services import Profile

PartName = Literal[
    "gatekeeper", "external-secrets", "keda", "argo-cd", "monitoring", "tracing", "image-scanning"
]
"""A part by the name that the bundle and the command line know it by."""

Level = Literal["first", "second", "third", "emergency"]
"""A step of the escalation path, see `a1platform.observability.escalation`."""

_PASSWORD_BYTES = (12, 72)
_URL = re.compile(r"^https?://[^\s/]+\S*$")


def _secret_url(value: SecretStr) -> SecretStr:
    if _URL.fullmatch(value.get_secret_value()) is None:
        raise ValueError(
            "found a text, which is not shown, expected a URL such as https://hooks.example.com/x"
        )
    return value


SecretUrl = Annotated[SecretStr, AfterValidator(_secret_url)]
"""A URL that is as good as a password."""


def _admin_password(value: SecretStr) -> SecretStr:
    size = len(value.get_secret_value().encode())
    if not _PASSWORD_BYTES[0] <= size <= _PASSWORD_BYTES[1]:
        raise ValueError(f"found a secret of {size} bytes, which is not shown, expected 12 to 72")
    return value


AdminPassword = Annotated[SecretStr, AfterValidator(_admin_password)]
"""A password that bcrypt takes whole."""
Group = Annotated[str, Field(pattern=r"^[^\s,\"'#][^,\"'#\r\n]*$")]
"""A group's name, which stands in a line of a policy between commas."""
ChartRepository = Annotated[str, Field(pattern=r"^(https?|oci)://\S+$")]
Quantity = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Mi|Gi|Ti)$")]
Period = Annotated[str, Field(pattern=r"^[1-9][0-9]*[hdwy]$")]


class PartSettings(Settings):
    """What every part has; a part that is off needs nothing else.

    Attributes:
        enabled: Whether it is installed.
        repository: Chart repository in place of the official one, such as a mirror.
        timeout: Seconds that its pods may take to get ready; then it is taken back, or rolled back.
        values: Chart values of the site's own, merged last.
    """

    enabled: bool = True
    repository: ChartRepository | None = None
    timeout: int = Field(default=600, ge=60, le=3600)
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


class OidcSettings(Settings):
    """Where people who use Argo CD log in.

    Attributes:
        issuer: The provider's address, below which `.well-known/openid-configuration` is.
        client_id: Argo CD's name there.
        client_secret: What Argo CD proves itself with. Set with `pulumi config set --secret --path`.
        url: Where browsers reach Argo CD; the provider sends them back to `<url>/auth/callback`.
        name: On the button.
        scopes: What is asked of the provider; the groups have to be in the claim `groups`.
        admins: Groups that may do everything.
        readers: Groups that may look at everything.
    """

    issuer: str = Field(pattern=r"^https://\S+$")
    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(min_length=1)
    url: str = Field(pattern=r"^https?://[^\s/]+(/\S*)?$")
    name: str = Field(default="SSO", min_length=1)
    scopes: tuple[str, ...] = ("openid", "profile", "email", "groups")
    admins: tuple[Group, ...] = Field(min_length=1)
    readers: tuple[Group, ...] = ()


class ArgoCdSettings(PartSettings):
    """Delivery from Git; what it syncs is said by `services.gitops`.

    Attributes:
        admin_password: Of the local user `admin`, 12 to 72 bytes; without one Argo CD makes its own. Set with
            `pulumi config set --secret --path`.
        oidc: Where people log in; the local user is then switched off.
    """

    admin_password: AdminPassword | None = None
    oidc: OidcSettings | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.admin_password is not None and self.oidc is not None:
            raise ValueError(
                "found both adminPassword and oidc, expected one of them: with oidc the local user is off"
            )
        return self


class MonitoringSettings(PartSettings):
    """Prometheus, Alertmanager, exporters, Grafana.

    Attributes:
        grafana: Whether Grafana is installed; a bundle without it leaves it out in any case.
        retention: How long Prometheus keeps data.
        storage: Size of the volume of Prometheus, by default that of the profile; the data stays below it
            whatever the retention.
        alertmanager_storage: Size of the volume of Alertmanager's silences.
        grafana_storage: Size of the volume of what is made in Grafana itself; dashboards come from files.
        webhooks: URL that Alertmanager tells, by level of the escalation path. Set with
            `pulumi config set --secret --path`: who knows such a URL can write there.
    """

    grafana: bool = True
    retention: Period = "15d"
    storage: Quantity | None = None
    alertmanager_storage: Quantity = "1Gi"
    grafana_storage: Quantity = "1Gi"
    webhooks: dict[Level, SecretUrl] = Field(default_factory=dict)


class TracingSettings(PartSettings):
    """Jaeger, to which `mcp-tracehub` forwards every span; off by default.

    Attributes:
        enabled: Whether it is installed.
        retention: How long spans are kept. Jaeger's own store knows no limit of its size.
        storage: Size of its volume, by default that of the profile.
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
        gatekeeper: See `GatekeeperSettings`.
        external_secrets: See `ExternalSecretsSettings`.
        keda: See `KedaSettings`.
        argo_cd: See `ArgoCdSettings`.
        monitoring: See `MonitoringSettings`.
        tracing: See `TracingSettings`.
        image_scanning: See `ImageScanningSettings`.
    """

    profile: Profile = Profile.SMALL
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
