"""The settings of the K3s cluster."""

import ipaddress
import re
from typing import Self

from pydantic import Field, JsonValue, field_validator, model_validator

from a1platform import versions
from a1platform.settings.base import Settings

_SHA256 = re.compile(r"^[0-9a-f]{64}$")


class HostFileSettings(Settings):
    """A file that a site needs on each node before K3s starts.

    Attributes:
        path: Absolute path on the node.
        content: The text; no secret, since it stands in the stack's configuration.
        mode: Octal permissions.
    """

    path: str = Field(pattern=r"^/")
    content: str
    mode: str = Field(default="0644", pattern=r"^0[0-7]{3}$")


class K3sSettings(Settings):
    """What K3s runs with.

    Attributes:
        version: The release, by default the one that the platform is tested with.
        sha256: Digest of the binary; where it is absent the release's own checksum file decides.
        release_url: Where the release's files are, one folder per version, as on the official site.
        cluster_cidr: Addresses of pods.
        service_cidr: Addresses of Services.
        tls_san: Further names and addresses in the API server's certificate.
        disable: K3s's packaged parts that are left out.
        max_pods: Pods per node; the platform promises 50.
        start_timeout: Seconds until a start counts as failed.
        open_files: Limit of open files of K3s and what it starts.
        extra_config: Merged last into K3s's config.yaml.
        extra_files: Written to each node before K3s starts.
    """

    version: str = Field(default=versions.K3S, pattern=r"^v1\.\d+\.\d+\+k3s\d+$")
    sha256: str | None = None
    release_url: str = "https://github.com/k3s-io/k3s/releases/download"
    cluster_cidr: ipaddress.IPv4Network = ipaddress.IPv4Network("10.42.0.0/16")
    service_cidr: ipaddress.IPv4Network = ipaddress.IPv4Network("10.43.0.0/16")
    tls_san: tuple[str, ...] = ()
    disable: tuple[str, ...] = ("traefik", "servicelb")
    max_pods: int = Field(default=50, ge=10, le=250)
    start_timeout: int = Field(default=300, ge=30, le=3600)
    open_files: int = Field(default=1048576, ge=4096)
    extra_config: dict[str, JsonValue] = Field(default_factory=dict)
    extra_files: tuple[HostFileSettings, ...] = ()

    @field_validator("sha256")
    @classmethod
    def _is_a_digest(cls, value: str | None) -> str | None:
        if value is not None and not _SHA256.fullmatch(value):
            raise ValueError(f"found {value!r}, expected the 64 hexadecimal digits of a SHA-256 digest")
        return value

    @model_validator(mode="after")
    def _networks_are_apart(self) -> Self:
        if self.cluster_cidr.overlaps(self.service_cidr):
            raise ValueError(f"clusterCidr {self.cluster_cidr} and serviceCidr {self.service_cidr} overlap")
        return self
