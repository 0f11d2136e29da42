"""Who delivers the services on the sandbox: Pulumi, then Argo CD from Git as soon as it is there."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a1platform.bundle import load
from a1platform.delivery.argocd import ROOT
from a1platform.services.model import Capabilities
from a1platform.services.render import manifest_files
from a1platform.services.resolve import resolve
from a1platform.settings.services import ServicesSettings
from sandbox.cache import state_folder
from sandbox.git_repository import BRANCH, publish
from sandbox.git_server import PORT, GitServer, stop

REPOSITORY = "a1platform.git"
_NEEDED = frozenset({"argo-cd", "external-secrets", "mcp-services"})


@dataclass(frozen=True)
class Delivery:
    """How the services get into the cluster.

    Attributes:
        settings: The stack's `services`.
        commit: What Argo CD is to sync; empty where Pulumi delivers.
        applications: The Applications that sync it.
    """

    settings: dict[str, Any]
    commit: str = ""
    applications: tuple[str, ...] = ()


def git_folder() -> Path:
    """Return the folder of what is served; `make down` removes it."""
    return state_folder() / "git"


def services_image(bundle: Path) -> str:
    """Return the services' image under the name that tells its content: a changed program is a changed pod.

    Args:
        bundle: The bundle's folder.

    Returns:
        The name, or an empty text before the image is made.
    """
    part = load(bundle).parts.get("mcp-services")
    return part.images[0].references[-1] if part else ""


def deliver(parts: Iterable[str], address: str, port: int = PORT, image: str = "") -> Delivery:
    """Return how the services are delivered, their manifests published and served where Git is needed.

    Args:
        parts: Names of the bundle's parts that are installed.
        address: This machine's address on the nodes' bridge.
        port: Where it is served.
        image: The services' image; that of the settings' default where it is empty.

    Raises:
        GitError: The repository cannot be written or served.
    """
    installed = set(parts)
    named = {"image": image} if image else {}
    if not installed >= _NEEDED:
        return Delivery({"delivery": "pulumi", **named})
    server = GitServer(git_folder(), address, port)
    settings = {
        **named,
        "delivery": "argocd",
        "gitops": {"repoUrl": server.url(REPOSITORY), "revision": BRANCH, "path": "manifests"},
    }
    files = rendered(ServicesSettings.model_validate(settings), installed)
    commit = publish(git_folder() / REPOSITORY, files, "feat(services): what this sandbox runs\n")
    server.ensure(REPOSITORY, commit)
    folders = {path.split("/")[1] for path in files}
    return Delivery(settings, commit, (ROOT, *sorted(folders - {"root"})))


def rendered(settings: ServicesSettings, parts: Iterable[str]) -> dict[str, str]:
    """Return the repository's files: what the program would declare with these settings and parts.

    Args:
        settings: The services' slice of the stack's configuration.
        parts: Names of the bundle's parts that are installed.
    """
    there = set(parts)
    offered = Capabilities(keda="keda" in there, monitoring=there >= {"monitoring", "monitoring-crds"})
    files = manifest_files(resolve(settings, offered), settings.gitops)
    return {f"{settings.gitops.path}/{path}": text for path, text in files.items()}


def end() -> None:
    """End the server and remove what it serves."""
    stop(git_folder())
    shutil.rmtree(git_folder(), ignore_errors=True)
