"""The files of `manifests/` and `dashboards/`, as text by path: what Argo CD syncs and what Grafana reads."""

from collections.abc import Sequence

from a1platform.delivery import argocd
from a1platform.delivery.manifest import Manifest
from a1platform.delivery.yaml_sink import file_name, to_yaml
from a1platform.observability.dashboards import dashboards, to_json
from a1platform.services.builders import KINDS, service_objects
from a1platform.services.model import McpServiceArgs
from a1platform.services.resolve import NAMESPACE
from a1platform.services.shared import FOLDER, objectives, shared_objects
from a1platform.settings.services import GitopsSettings, QuotaSettings

KUSTOMIZATION = "kustomization.yaml"


def manifest_files(
    services: Sequence[McpServiceArgs], gitops: GitopsSettings, room: QuotaSettings | None = None
) -> dict[str, str]:
    """Return the tree that Argo CD syncs: `root/` for its own objects, and a folder for each service.

    The services' project stands in `root/` too, and in no `kustomization.yaml`: Pulumi declares it.

    Args:
        services: The resolved services.
        gitops: Where the tree will be read from; its address is patched in by the root Application.
        room: What the namespace may take of the nodes; that of the catalog by default.
    """
    folders = {FOLDER: shared_objects(services, room)}
    folders |= {args.entry.name: service_objects(args) for args in services}
    root = [argocd.application(name, f"{gitops.path}/{name}", NAMESPACE) for name in folders]
    # To be read beside what it bounds: from Git it would be no bound to whoever may push.
    unlisted = {"root": [argocd.app_project(NAMESPACE, KINDS)]}
    files: dict[str, str] = {}
    for folder, manifests in {"root": root, **folders}.items():
        named = {file_name(manifest, folder): manifest for manifest in manifests}
        named[KUSTOMIZATION] = argocd.kustomization(named)
        named |= {file_name(manifest, folder): manifest for manifest in unlisted.get(folder, [])}
        files |= {f"{folder}/{name}": to_yaml(manifest) for name, manifest in named.items()}
    return files


def dashboard_files(services: Sequence[McpServiceArgs]) -> dict[str, str]:
    """Return every dashboard's JSON by file name."""
    made = dashboards(objectives(services), NAMESPACE)
    return {f"{name}.json": to_json(dashboard) for name, dashboard in made.items()}


def root_application(gitops: GitopsSettings) -> Manifest:
    """Return the root Application for a configured repository.

    Raises:
        ValueError: No repository is configured.
    """
    return argocd.root_application(_repository(gitops), gitops.revision, gitops.path)


def root_project(gitops: GitopsSettings) -> Manifest:
    """Return the project of the root Application.

    Raises:
        ValueError: No repository is configured.
    """
    return argocd.root_project(_repository(gitops))


def services_project(gitops: GitopsSettings) -> Manifest:
    """Return the project of everything that the root Application brings.

    Raises:
        ValueError: No repository is configured.
    """
    return argocd.app_project(NAMESPACE, KINDS, _repository(gitops))


def _repository(gitops: GitopsSettings) -> str:
    if gitops.repo_url is None:
        raise ValueError("services.gitops.repoUrl: Argo CD needs to know the repository")
    return gitops.repo_url
