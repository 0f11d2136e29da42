"""Who delivers the services on the sandbox: Pulumi, then Argo CD from Git as soon as it is there."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from a1platform.bundle import Bundle
from a1platform.delivery.argocd import ROOT
from a1platform.services.image import with_image_of
from a1platform.services.model import Capabilities
from a1platform.services.render import manifest_files
from a1platform.services.resolve import resolve
from a1platform.settings.services import ServicesSettings
from sandbox.cache import state_folder
from sandbox.git_repository import BRANCH, head, paths, publish
from sandbox.git_server import PORT, GitServer, stop

REPOSITORY = "a1platform.git"
_NEEDED = frozenset({"argo-cd", "external-secrets", "mcp-services"})


@dataclass(frozen=True)
class Delivery:
    """How the services get into the cluster.

    Attributes:
        settings: The stack's `services`.
        files: What Argo CD is to sync; empty where Pulumi delivers.
        first: What it is to sync before the parts change: nothing of a part that goes, as nobody is left
            afterwards to end its objects. Empty where no part goes.
    """

    settings: dict[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)
    first: Mapping[str, str] = field(default_factory=dict)

    @property
    def applications(self) -> tuple[str, ...]:
        """The Applications that sync the files."""
        folders = {path.split("/")[1] for path in self.files}
        # The root last, as it says what the others say.
        return (*sorted(folders - {"root"}), ROOT) if folders else ()


def delivers_from_git(parts: Iterable[str]) -> bool:
    """Tell whether these parts have Argo CD deliver the services, from a repository on this machine.

    Args:
        parts: Names of the bundle's parts that are installed.
    """
    return set(parts) >= _NEEDED


def git_folder() -> Path:
    """Return the folder of what is served; `make down` removes it."""
    return state_folder() / "git"


def deliver(parts: Iterable[str], address: str, port: int = PORT, bundle: Bundle | None = None) -> Delivery:
    """Return how the services are delivered, with a repository served where Argo CD delivers.

    What is there keeps what it holds; what is new holds the files at once, as nothing follows it yet.

    Args:
        parts: Names of the bundle's parts that are installed.
        address: This machine's address on the nodes' bridge.
        port: Where it is served.
        bundle: What has the services' image.

    Raises:
        GitError: The repository cannot be written or served.
    """
    installed = frozenset(parts)
    if not delivers_from_git(installed):
        return Delivery({"delivery": "pulumi"})
    server = GitServer(git_folder(), address, port)
    settings = {
        "delivery": "argocd",
        "gitops": {"repoUrl": server.url(REPOSITORY), "revision": BRANCH, "path": "manifests"},
    }
    checked = with_image_of(bundle, ServicesSettings.model_validate(settings))
    offered = offered_by(installed)
    files = rendered(checked, offered)
    held = paths(git_folder() / REPOSITORY) or frozenset(files)
    commit = head(git_folder() / REPOSITORY) or commit_files(files)
    server.ensure(REPOSITORY, commit)
    used = Capabilities(
        keda=any(path.endswith("/scaledobject.yaml") for path in held),
        monitoring=any(path.endswith("/servicemonitor.yaml") for path in held),
        # No object of the services is of a kind that Jaeger brings.
        tracing=offered.tracing,
    )
    both = replace(used, keda=used.keda and offered.keda, monitoring=used.monitoring and offered.monitoring)
    return Delivery(settings, files, first=rendered(checked, both) if both != used else {})


def commit_files(files: Mapping[str, str]) -> str:
    """Publish files to the repository and return the commit that holds them.

    Args:
        files: Text by path.

    Raises:
        GitError: The repository cannot be written.
    """
    return publish(git_folder() / REPOSITORY, files, "feat(services): what this sandbox runs\n")


def offered_by(parts: Iterable[str]) -> Capabilities:
    """Return what a cluster with these parts offers the services.

    Args:
        parts: Names of the bundle's parts that are installed.
    """
    there = set(parts)
    return Capabilities(
        keda="keda" in there,
        monitoring=there >= {"monitoring", "monitoring-crds"},
        tracing="tracing" in there,
    )


def rendered(settings: ServicesSettings, offered: Capabilities) -> dict[str, str]:
    """Return the repository's files: what the program would declare with these settings.

    Args:
        settings: The services' slice of the stack's configuration.
        offered: What the cluster offers.
    """
    files = manifest_files(resolve(settings, offered), settings.gitops, settings.quota)
    return {f"{settings.gitops.path}/{path}": text for path, text in files.items()}


def end() -> None:
    """End the server and remove what it serves."""
    stop(git_folder())
    shutil.rmtree(git_folder(), ignore_errors=True)
