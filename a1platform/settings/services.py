"""The slice of the configuration for the five services: delivery, image, size, GitOps source, overrides."""

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from a1platform.settings.base import Settings

DEFAULT_IMAGE = "a1platform/mcp-services:0.1.0"
"""The one image of all roles, as the bundle holds it."""

_IMAGE = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9._/-]*(?::[0-9]+/[a-z0-9._/-]+)?)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
)
_GIT_URL = re.compile(r"(git|https?|ssh)://[^\s]+|git@[^\s:]+:[^\s]+")


def _fixed_image(text: str) -> str:
    found = _IMAGE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no image reference such as registry.example.com/mcp-services:1.2.3")
    if found["digest"] is None and found["tag"] is None:
        raise ValueError(f"{text!r} has neither a tag nor a digest: what runs would change by itself")
    if found["tag"] == "latest":
        raise ValueError(
            f"{text!r} is tagged latest: what runs would change by itself; name a version or a digest"
        )
    return text


def _git_url(text: str) -> str:
    if _GIT_URL.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no Git URL: git://, http(s)://, ssh:// or git@host:path")
    return text


Image = Annotated[str, AfterValidator(_fixed_image)]
"""An image reference that says exactly what runs: by digest or by a tag other than `latest`."""
GitUrl = Annotated[str, AfterValidator(_git_url)]
"""A repository address that Argo CD understands."""


class Delivery(StrEnum):
    """Who puts the services' objects into the cluster."""

    PULUMI = "pulumi"
    ARGOCD = "argocd"


class Profile(StrEnum):
    """How much the services ask of a node: all of the platform on 2 cores, or real nodes."""

    SMALL = "small"
    STANDARD = "standard"


class GitopsSettings(Settings):
    """Where Argo CD finds `manifests/`.

    Attributes:
        repo_url: The repository; needed with `delivery: argocd`.
        revision: Branch, tag or commit.
        path: The folder that `a1 render` wrote, from the root of the repository.
    """

    repo_url: GitUrl | None = None
    revision: str = Field(default="main", min_length=1)
    path: str = Field(default="manifests", pattern=r"^[^/.][^\s]*[^/\s]$")


class QuotaSettings(Settings):
    """What the services' namespace may take of the nodes: every service with its most pods, and no more.

    Attributes:
        enabled: Whether there is a quota, and a limit for each container.
        spare_percent: Room beside the services, for what a site runs in their namespace.
    """

    enabled: bool = True
    spare_percent: int = Field(default=0, ge=0, le=1000)


class ServiceOverride(Settings):
    """What one service has otherwise than the catalog says; absent values stay as they are.

    Attributes:
        image: Another image.
        min_replicas: Fewest pods.
        max_replicas: Most pods.
        cpu_milli: CPU request of a pod, in thousandths of a core.
        memory_mib: Memory request of a pod, in MiB.
    """

    image: Image | None = None
    min_replicas: int | None = Field(default=None, ge=1, le=100)
    max_replicas: int | None = Field(default=None, ge=1, le=100)
    cpu_milli: int | None = Field(default=None, ge=1)
    memory_mib: int | None = Field(default=None, ge=32)


class ServicesSettings(Settings):
    """Everything configurable about the services.

    Attributes:
        delivery: Whether Pulumi declares the objects or Argo CD syncs them from `manifests/`.
        image: The image of all roles.
        profile: The column of the catalog's size table.
        min_replicas: Fewest pods of each service.
        max_replicas: Most pods of each service.
        example: Whether the example MCP server is installed too.
        public_url: Where clients reach the gateway; `<public_url>/mcp` is the audience of their tokens.
        gitops: See `GitopsSettings`.
        quota: See `QuotaSettings`.
        overrides: By the service's name.
    """

    delivery: Delivery = Delivery.PULUMI
    image: Image = DEFAULT_IMAGE
    profile: Profile = Profile.SMALL
    min_replicas: int = Field(default=2, ge=1, le=100)
    max_replicas: int = Field(default=10, ge=1, le=100)
    example: bool = True
    public_url: str = Field(default="http://localhost:8080", pattern=r"^https?://[^\s/]+$")
    gitops: GitopsSettings = GitopsSettings()
    quota: QuotaSettings = QuotaSettings()
    overrides: dict[str, ServiceOverride] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _replicas_are_a_range(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"minReplicas {self.min_replicas} is above maxReplicas {self.max_replicas}")
        return self

    @model_validator(mode="after")
    def _argocd_knows_its_repository(self) -> Self:
        if self.delivery is Delivery.ARGOCD and self.gitops.repo_url is None:
            raise ValueError("delivery is argocd, but gitops.repoUrl does not say which repository")
        return self
