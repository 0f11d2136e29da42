"""The settings of the K3s cluster."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, field_validator

from a1platform import versions
from a1platform.settings.base import Settings
from a1platform.settings.extra_config import extra_config_problems
from a1platform.settings.host_file import file_content, file_mode, file_path, foreign_path
from a1platform.settings.ranges import Host, Ipv4Range
from a1platform.settings.shown import shown
from a1platform.settings.together import Problem

_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_URL = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
_SERVICE_PREFIXES = (12, 28)
"""From what the API server allows to what still holds the tenth address, which is DNS's."""


def _release_url(text: str) -> str:
    if _URL.fullmatch(text) is None:
        raise ValueError(f"found {shown(text)}, expected a URL such as https://files.example.com/k3s")
    return text


def _for_services(network: ipaddress.IPv4Network) -> ipaddress.IPv4Network:
    largest, smallest = _SERVICE_PREFIXES
    if not largest <= network.prefixlen <= smallest:
        raise ValueError(
            f"found {str(network)!r}, expected a range of /{largest} to /{smallest}: the tenth address of it "
            "is DNS's, and the API server takes no larger one"
        )
    return network


_MOST_OPEN_FILES = 1073741816
"""What systemd sets the kernel's own limit `fs.nr_open` to."""

PackagedPart = Literal["local-storage", "metrics-server", "runtimes", "servicelb", "traefik"]
"""A part by the name that K3s gives it; it passes over any other in silence."""


class HostFileSettings(Settings):
    """A file that a site needs on each node before K3s starts.

    Attributes:
        path: Absolute path on the node, of none of the program's own files.
        content: The text, which ends with a line break; no secret, since it stands in the stack's
            configuration.
        mode: Octal permissions.
    """

    path: Annotated[str, AfterValidator(file_path), AfterValidator(foreign_path)]
    content: Annotated[str, AfterValidator(file_content)]
    mode: Annotated[str, AfterValidator(file_mode)] = "0644"


class K3sSettings(Settings):
    """What K3s runs with.

    Attributes:
        version: The release, by default the one that the platform is tested with; that of the bundle, if
            there is one.
        sha256: Digest of the binary; where it is absent the release's own checksum file decides, or the
            bundle's list.
        release_url: Where the release's files are, one folder per version, as on the official site.
        cluster_cidr: Addresses of pods, a /24 of them for each node.
        service_cidr: Addresses of Services, a range of /12 to /28.
        tls_san: Further names and addresses in the API server's certificate.
        disable: K3s's packaged parts that are left out; CoreDNS stays, as an installation awaits its answer.
        max_pods: Pods per node; the platform promises 50.
        start_timeout: Seconds until a start counts as failed.
        open_files: Limit of open files of K3s and what it starts.
        extra_config: Merged last into K3s's config.yaml, lists added to ours; what the program decides
            itself, or what would break the CIS benchmark in silence, is refused.
        extra_files: Written to each node before K3s starts.
    """

    version: str = Field(
        default=versions.K3S, pattern=r"^v1\.[0-9]+\.[0-9]+\+k3s[0-9]+$", examples=[versions.K3S]
    )
    sha256: str | None = None
    release_url: Annotated[str, AfterValidator(_release_url)] = (
        "https://github.com/k3s-io/k3s/releases/download"
    )
    cluster_cidr: Ipv4Range = ipaddress.IPv4Network("10.42.0.0/16")
    service_cidr: Annotated[Ipv4Range, AfterValidator(_for_services)] = ipaddress.IPv4Network("10.43.0.0/16")
    tls_san: tuple[Host, ...] = ()
    disable: tuple[PackagedPart, ...] = ("traefik", "servicelb")
    max_pods: int = Field(default=50, ge=10, le=250)
    start_timeout: int = Field(default=300, ge=30, le=3600)
    open_files: int = Field(default=1048576, ge=4096, le=_MOST_OPEN_FILES)
    extra_config: dict[str, JsonValue] = Field(default_factory=dict)
    extra_files: tuple[HostFileSettings, ...] = ()

    @property
    def inside(self) -> tuple[str, ...]:
        """Addresses of pods and Services, for the nodes' firewalls."""
        return (str(self.cluster_cidr), str(self.service_cidr))

    @field_validator("sha256")
    @classmethod
    def _is_a_digest(cls, value: str | None) -> str | None:
        if value is not None and not _SHA256.fullmatch(value):
            raise ValueError(f"found {shown(value)}, expected the 64 hexadecimal digits of a SHA-256 digest")
        return value

    def between(self, given: object) -> Iterator[Problem]:
        """Return where pods and Services would share addresses."""
        yield from super().between(given)
        if self.cluster_cidr.overlaps(self.service_cidr):
            text = f"found {self.service_cidr}, expected a range apart from clusterCidr, {self.cluster_cidr}"
            yield Problem(("serviceCidr",), text, (("clusterCidr",), ("serviceCidr",)))
        yield from self._repeated_files()
        for one in extra_config_problems(self.extra_config):
            yield Problem(("extraConfig", *one.location), one.text, (("extraConfig",),))

    def _repeated_files(self) -> Iterator[Problem]:
        paths = [file.path for file in self.extra_files]
        for index, path in enumerate(paths):
            if (first := paths.index(path)) != index:
                text = f"found {shown(path)}, which extraFiles[{first}] has too, expected each path once"
                yield Problem(("extraFiles", index, "path"), text, (("extraFiles",),))
