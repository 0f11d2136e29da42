"""The slice of the configuration for the five services: delivery, image, size, GitOps source, overrides."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from a1platform.settings.base import Settings
from a1platform.settings.egress import EgressSettings
from a1platform.settings.shown import shown
from a1platform.settings.together import Problem, gives

DEFAULT_IMAGE = "a1platform/mcp-services:0.1.0"
"""The one image of all roles by its version, which says nothing of its content: `services/image.py`."""

_OF_THE_BUNDLE = re.compile(r"(docker\.io/)?a1platform/mcp-services")
_IMAGE = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9._-]*(?::[0-9]+(?=/))?(?:/[a-z0-9][a-z0-9._-]*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
)
_GIT_URL = re.compile(r"(git|https?|ssh)://[^\s]+|git@[^\s:]+:[^\s]+")
# A token may stand in the user's place, and the URL in Applications and in the state; SSH asks for a user.
_SECRET_IN_URL = re.compile(r"(?!ssh://[^/:\s]*@)[a-z]+://[^/\s]*@", re.IGNORECASE)
_OVER_SSH = ("ssh://", "git@")


def fixed_image(text: str) -> str:
    """Return an image reference that says exactly what runs.

    Args:
        text: The reference.

    Raises:
        ValueError: It is none, or what it names can change: it has no digest, but for an image of the bundle,
            whose checksums hold what it is; that one has neither a tag nor a digest, or the tag `latest`.
    """
    found = _IMAGE.fullmatch(text)
    if found is None:
        raise ValueError(
            f"found {shown(text)}, expected an image such as "
            "registry.example.com/mcp-services:1.2.3@sha256:<64 hexadecimal digits>"
        )
    if found["digest"] is None and _OF_THE_BUNDLE.fullmatch(found["name"]) is None:
        raise ValueError(
            f"found {shown(text)} without a digest, expected @sha256:<64 hexadecimal digits> behind it: in a "
            "registry a tag can be given to another image"
        )
    if found["digest"] is None and found["tag"] is None:
        raise ValueError(
            f"found {shown(text)} with neither a tag nor a digest, expected one: what runs is fixed"
        )
    if found["tag"] == "latest":
        raise ValueError(
            f"found {shown(text)} tagged latest, expected a version or a digest: what runs is fixed"
        )
    return text


def _git_url(text: str) -> str:
    if _SECRET_IN_URL.match(text):
        raise ValueError(
            "found a URL with a user or password, which is not shown, expected what opens the repository in "
            "credentials.username and .password"
        )
    if _GIT_URL.fullmatch(text) is None:
        raise ValueError(
            f"found {shown(text)}, expected a Git URL: git://, http(s)://, ssh:// or git@host:path"
        )
    return text


Image = Annotated[str, AfterValidator(fixed_image)]
"""An image reference that says exactly what runs: by digest, or as an image of the bundle by its version."""
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


class GitCredentials(Settings):
    """How Argo CD reads a private repository. Set with `pulumi config set --secret --path`.

    Attributes:
        username: Whom the password belongs to; for a token, whatever the Git host asks for.
        password: Password or token, for a repository over HTTP.
        ssh_private_key: A key that may read, for a repository over SSH; its host's key must be one that Argo
            CD knows.
    """

    username: str = "git"
    password: SecretStr | None = None
    ssh_private_key: SecretStr | None = None

    def between(self, given: object) -> Iterator[Problem]:
        """Return where there is not one way in."""
        yield from super().between(given)
        password, key = gives(self, given, "password"), gives(self, given, "ssh_private_key")
        if password == key:
            count = "both" if password else "neither"
            yield Problem((), f"found {count}, expected password or sshPrivateKey")


class GitopsSettings(Settings):
    """Where Argo CD finds `manifests/`.

    Attributes:
        repo_url: The repository; needed with `delivery: argocd`.
        revision: Branch, tag or commit.
        path: The folder that `a1 render` wrote, from the root of the repository.
        credentials: How a private repository is read.
    """

    repo_url: GitUrl | None = None
    revision: str = Field(default="main", min_length=1)
    # No step begins with a dot: `..` leads out, and `.git` is no folder to render into.
    path: str = Field(
        default="manifests", pattern=r"^[^/.\s][^/\s]*(/[^/.\s][^/\s]*)*$", examples=["manifests"]
    )
    credentials: GitCredentials | None = None

    def between(self, given: object) -> Iterator[Problem]:
        """Return where the credentials do not go with the repository."""
        yield from super().between(given)
        if self.credentials is None:
            return
        url = self.repo_url or ""
        about = (("credentials",), ("repoUrl",))
        wanted = "sshPrivateKey" if url.startswith(_OVER_SSH) else "password"
        found = "password" if self.credentials.password is not None else "sshPrivateKey"
        if not url.startswith((*_OVER_SSH, "http")):
            text = f"found {found}, expected a repoUrl over http(s) or ssh, which take credentials"
            yield Problem(("credentials",), text, about)
        elif found != wanted:
            text = f"found {found}, expected {wanted}, which goes with the repoUrl"
            yield Problem(("credentials",), text, about)


class QuotaSettings(Settings):
    """What the services' namespace may take of the nodes: every service with its most pods, and no more.

    Attributes:
        enabled: Whether there is a quota, and a limit for each container.
        spare_percent: Room beside the services, for what a site runs in their namespace.
    """

    enabled: bool = True
    spare_percent: int = Field(default=0, ge=0, le=1000)


class AuthSettings(Settings):
    """Whose tokens (JWT) the gateway takes, beside API keys.

    Attributes:
        issuer: The authorization server: what `iss` of a token has to be, and what clients are told; without
            one the issuer of any known key.
        audience: What `aud` of a token has to be; `<publicUrl>/mcp` by default.
        jwks_url: Where the public keys of the issuer are, beside those in the Secret `mcp-auth`; the gateway
            gets there by `overrides.mcp-gateway.egress`.
    """

    issuer: str | None = Field(
        default=None, pattern=r"^https?://\S+$", examples=["https://id.example.org/realms/a1"]
    )
    audience: str | None = Field(default=None, pattern=r"^\S+$", examples=["https://a1.example.org/mcp"])
    jwks_url: str | None = Field(
        default=None, pattern=r"^https?://[^\s/@]+/\S*$", examples=["https://id.example.org/realms/a1/certs"]
    )


class RunsSettings(Settings):
    """Where asynchronous runs of workflows are kept.

    Attributes:
        claim: A PersistentVolumeClaim of the site's in the services' namespace, which every pod of the
            orchestrator mounts; without one such runs are refused.
        keep_seconds: How long the result of a run can be asked for.
    """

    claim: str | None = Field(
        default=None, pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$", examples=["mcp-runs"]
    )
    keep_seconds: int = Field(default=7 * 24 * 3600, ge=60)


class ServiceOverride(Settings):
    """What one service has otherwise than the catalog says; absent values stay as they are.

    Attributes:
        image: Another image, by digest.
        min_replicas: Fewest pods.
        max_replicas: Most pods.
        cpu_milli: CPU request of a pod, in thousandths of a core.
        memory_mib: Memory request of a pod, in MiB.
        egress: Where its pods may connect to beside the services that it calls, such as MCP servers of the
            site for `mcp-orchestrator-api`.
    """

    image: Image | None = None
    min_replicas: int | None = Field(default=None, ge=1, le=100)
    max_replicas: int | None = Field(default=None, ge=1, le=100)
    cpu_milli: int | None = Field(default=None, ge=1)
    memory_mib: int | None = Field(default=None, ge=32)
    egress: tuple[EgressSettings, ...] = ()

    @field_validator("max_replicas")
    @classmethod
    def _replicas_are_a_range(cls, value: int | None, info: ValidationInfo) -> int | None:
        return _at_least(value, info)


class ServicesSettings(Settings):
    """Everything configurable about the services.

    Attributes:
        enabled: Whether they are installed.
        delivery: Whether Pulumi declares the objects or Argo CD syncs them from `manifests/`.
        image: The image of all roles, by digest; from a bundle that of the bundle, by the name that tells its
            content, if nothing is said.
        pull_secret: Secret in the store whose key `dockerconfigjson` opens a private registry.
        profile: The column of the catalog's size table.
        min_replicas: Fewest pods of each service; one alone is interrupted when its node is drained.
        max_replicas: Most pods of each service.
        example: Whether the example MCP server is installed too.
        public_url: Where clients reach the gateway; `<public_url>/mcp` is the audience of their tokens.
        auth: See `AuthSettings`.
        runs: See `RunsSettings`.
        gitops: See `GitopsSettings`.
        quota: See `QuotaSettings`.
        overrides: By the service's name.
    """

    enabled: bool = True
    delivery: Delivery = Delivery.PULUMI
    image: Image = DEFAULT_IMAGE
    pull_secret: str | None = Field(
        default=None, pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", examples=["mcp-registry"]
    )
    profile: Profile = Profile.SMALL
    min_replicas: int = Field(default=2, ge=1, le=100)
    max_replicas: int = Field(default=10, ge=1, le=100)
    example: bool = True
    public_url: str = Field(
        default="http://localhost:8080", pattern=r"^https?://[^\s/]+$", examples=["https://a1.example.org"]
    )
    auth: AuthSettings = AuthSettings()
    runs: RunsSettings = RunsSettings()
    gitops: GitopsSettings = GitopsSettings()
    quota: QuotaSettings = QuotaSettings()
    overrides: dict[str, ServiceOverride] = Field(default_factory=dict)

    @field_validator("max_replicas")
    @classmethod
    def _replicas_are_a_range(cls, value: int, info: ValidationInfo) -> int:
        _at_least(value, info)
        return value

    def between(self, given: object) -> Iterator[Problem]:
        """Return where Argo CD does not know its repository."""
        yield from super().between(given)
        if self.delivery is Delivery.ARGOCD and self.gitops.repo_url is None:
            text = "found no repoUrl, expected the repository, as delivery is argocd"
            yield Problem(("gitops",), text, (("delivery",), ("gitops", "repoUrl")))


def _at_least(most: int | None, info: ValidationInfo) -> int | None:
    least = info.data.get("min_replicas")
    if most is not None and least is not None and least > most:
        raise ValueError(f"found {most}, expected at least minReplicas, which is {least}")
    return most
