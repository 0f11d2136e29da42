"""Argo CD's own objects: the projects, one Application a folder, and the root Application over them.

Git says what is delivered, Pulumi how far that may go: the root Application and both projects are declared by
Pulumi, so that whoever may push to the repository gets no further right. The rendered Applications cannot
know which repository serves them; the root Application patches its own address into them.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from a1platform.delivery.manifest import Manifest
from a1platform.naming import PART_OF

NAMESPACE = "argocd"
PROJECT = "a1"
ROOT = "a1-root"
FIELD_MANAGER = "argocd-controller"
"""The name that Argo CD applies objects in."""
UNSET_REPOSITORY = "https://repository.invalid/a1platform.git"
"""Stands in the rendered files until the root Application replaces it; never resolves (RFC 2606)."""
_SERVER = "https://kubernetes.default.svc"
_FINALIZER = "resources-finalizer.argocd.argoproj.io"


def _metadata(name: str) -> Manifest:
    return {"name": name, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/part-of": PART_OF}}


def app_project(
    namespace: str, kinds: Iterable[tuple[str, str]], repo_url: str = UNSET_REPOSITORY
) -> Manifest:
    """Return the project that allows our repository, our namespace and our kinds, and nothing else.

    What Argo CD may not make it may not remove either: a kind that is no longer rendered has to stay allowed.

    Args:
        namespace: The only destination.
        kinds: API group (empty for core) and kind.
        repo_url: The only repository; the rendered file is to be read, and names none.
    """
    allowed = [{"group": group, "kind": kind} for group, kind in sorted(set(kinds))]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": _metadata(PROJECT),
        "spec": {
            "description": "The services of the A1 platform.",
            "sourceRepos": [repo_url],
            "destinations": [{"server": _SERVER, "namespace": namespace}],
            "clusterResourceWhitelist": [],
            "namespaceResourceWhitelist": allowed,
        },
    }


def _sync_policy() -> Manifest:
    return {
        "automated": {"prune": True, "selfHeal": True},
        "syncOptions": ["ServerSideApply=true", "CreateNamespace=false"],
        "retry": {"limit": 10, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "1m"}},
    }


def application(name: str, path: str, namespace: str) -> Manifest:
    """Return the Application of one folder.

    It has no finalizer: when it goes, as on a move back to Pulumi, what it synced stays and runs on.
    Differences are computed by the API server, so defaults that it fills in are none.

    Args:
        name: Its name and its folder's.
        path: The folder, from the root of the repository.
        namespace: Where its objects go.
    """
    metadata = _metadata(name) | {
        "annotations": {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": metadata,
        "spec": {
            "project": PROJECT,
            "source": {"repoURL": UNSET_REPOSITORY, "targetRevision": "HEAD", "path": path},
            "destination": {"server": _SERVER, "namespace": namespace},
            "syncPolicy": _sync_policy(),
        },
    }


def root_project(repo_url: str) -> Manifest:
    """Return the root Application's own project: our repository, Argo CD's namespace, Applications.

    In the project `default` it could put anything anywhere, and a project that came from Git would allow
    whatever Git says.

    Args:
        repo_url: The repository that holds the rendered files.
    """
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": _metadata(ROOT),
        "spec": {
            "description": "The root of what is delivered from Git.",
            "sourceRepos": [repo_url],
            "destinations": [{"server": _SERVER, "namespace": NAMESPACE}],
            "clusterResourceWhitelist": [],
            "namespaceResourceWhitelist": [{"group": "argoproj.io", "kind": "Application"}],
        },
    }


def closed_default_project() -> Manifest:
    """Return the project `default` such that it allows nothing.

    Argo CD's server makes it at its start where there is none, open to every repository, namespace and kind,
    and whoever may make an Application could use it. It cannot be done without: an Application that names no
    project is in this one, and is refused.
    """
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": _metadata("default"),
        "spec": {
            "description": "Closed: an Application has to name a project of its own.",
            "sourceRepos": [],
            "sourceNamespaces": [],
            "destinations": [],
            # The server's own list says that every kind is allowed: it is emptied, not left out.
            "clusterResourceWhitelist": [],
            # An empty list of allowed kinds would allow all that are in a namespace.
            "namespaceResourceBlacklist": [{"group": "*", "kind": "*"}],
        },
    }


def repository_secret(repo_url: str, access: Mapping[str, Any]) -> Manifest:
    """Return the Secret by which Argo CD reads a private repository.

    Args:
        repo_url: The repository.
        access: `username` and `password`, or `sshPrivateKey`, as Argo CD names them.
    """
    metadata = _metadata("a1-repository")
    metadata["labels"]["argocd.argoproj.io/secret-type"] = "repository"
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "stringData": {"type": "git", "url": repo_url, **access},
    }


def root_application(repo_url: str, revision: str, path: str) -> Manifest:
    """Return the root Application, the app of apps.

    Its finalizer takes the Applications with it when it is deleted; those leave the services alone.

    Args:
        repo_url: The repository that holds the rendered files.
        revision: Branch, tag or commit, for the root and for all below it.
        path: The folder of the rendered files.
    """
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": _metadata(ROOT) | {"finalizers": [_FINALIZER]},
        "spec": {
            "project": ROOT,
            "source": {
                "repoURL": repo_url,
                "targetRevision": revision,
                "path": f"{path}/root",
                "kustomize": {
                    "patches": [
                        _patch(
                            "Application",
                            {"/spec/source/repoURL": repo_url, "/spec/source/targetRevision": revision},
                        )
                    ]
                },
            },
            "destination": {"server": _SERVER, "namespace": NAMESPACE},
            "syncPolicy": _sync_policy(),
        },
    }


def synced(root: Manifest) -> dict[str, str]:
    """Return what the root Application's status holds, by path, once all below it is as this one asks.

    Args:
        root: What `root_application` returns.
    """
    source = root["spec"]["source"]
    return {
        # The status of a moment ago is that of another source.
        ".status.sync.comparedTo.source.repoURL": source["repoURL"],
        ".status.sync.comparedTo.source.targetRevision": source["targetRevision"],
        ".status.sync.comparedTo.source.path": source["path"],
        ".status.sync.status": "Synced",
        ".status.health.status": "Healthy",
    }


def _patch(kind: str, values: dict[str, str]) -> Manifest:
    operations = [{"op": "replace", "path": path, "value": value} for path, value in values.items()]
    return {"target": {"kind": kind}, "patch": json.dumps(operations)}


def kustomization(files: Iterable[str]) -> Manifest:
    """Return the `kustomization.yaml` of a folder.

    Args:
        files: The files beside it.
    """
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(files),
    }
