"""Argo CD's own objects."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from a1platform.delivery import argocd
from a1platform.delivery.manifest import Manifest, identity
from a1platform.delivery.pulumi_sink import logical_name, type_token
from a1platform.delivery.yaml_sink import write
from a1platform.services.render import manifest_files, root_application, root_project, services_project
from a1platform.services.resolve import resolve
from a1platform.settings.services import GitopsSettings, ServicesSettings
from tests.unit.delivery.conftest import Build

GITOPS = GitopsSettings(repo_url="http://git.example.com/a1.git", revision="v1.2.3")


def test_the_root_takes_its_applications_with_it_and_they_leave_the_services_alone() -> None:
    assert root_application(GITOPS)["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
    assert "finalizers" not in argocd.application("mcp-gateway", "manifests/mcp-gateway", "ns")["metadata"]


def test_the_root_may_put_nothing_anywhere_but_applications_from_our_repository() -> None:
    project = root_project(GITOPS)
    assert root_application(GITOPS)["spec"]["project"] == project["metadata"]["name"]
    assert project["spec"]["sourceRepos"] == [GITOPS.repo_url]
    assert [one["namespace"] for one in project["spec"]["destinations"]] == ["argocd"]
    assert project["spec"]["clusterResourceWhitelist"] == []
    allowed = [(one["group"], one["kind"]) for one in project["spec"]["namespaceResourceWhitelist"]]
    assert allowed == [("argoproj.io", "Application")]


def test_whoever_may_push_to_the_repository_cannot_widen_what_is_allowed(
    tmp_path: Path, build: Build
) -> None:
    write(tmp_path, manifest_files(resolve(ServicesSettings()), GITOPS))
    assert {one["kind"] for one in build(tmp_path / "root")} == {"Application"}
    projects = {one["metadata"]["name"] for one in (root_project(GITOPS), services_project(GITOPS))}
    used = {one["spec"]["project"] for one in build(tmp_path / "root")}
    assert used < projects


def test_the_project_that_is_rendered_is_that_which_pulumi_declares_but_for_the_repository() -> None:
    rendered = yaml.safe_load(manifest_files(resolve(ServicesSettings()), GITOPS)["root/appproject-a1.yaml"])
    declared = services_project(GITOPS)
    assert declared["spec"].pop("sourceRepos") == [GITOPS.repo_url]
    assert rendered["spec"].pop("sourceRepos") == [argocd.UNSET_REPOSITORY]
    assert declared == rendered


@pytest.mark.parametrize("make", [root_application, root_project, services_project])
def test_a_root_without_a_repository_is_refused_with_the_key(
    make: Callable[[GitopsSettings], Manifest],
) -> None:
    with pytest.raises(ValueError, match=r"^services\.gitops\.repoUrl"):
        make(GitopsSettings())


def test_the_root_patches_its_own_address_into_everything_below(tmp_path: Path, build: Build) -> None:
    write(tmp_path, manifest_files(resolve(ServicesSettings()), GITOPS))
    kustomization = tmp_path / "root/kustomization.yaml"
    document = yaml.safe_load(kustomization.read_text())
    document["patches"] = root_application(GITOPS)["spec"]["source"]["kustomize"]["patches"]
    kustomization.write_text(json.dumps(document))
    objects = build(tmp_path / "root")
    sources = [one["spec"]["source"] for one in objects if one["kind"] == "Application"]
    assert {(one["repoURL"], one["targetRevision"]) for one in sources} == {
        (GITOPS.repo_url, GITOPS.revision)
    }
    assert argocd.UNSET_REPOSITORY not in str(objects)


FOLDERS = sorted({path.split("/")[0] for path in manifest_files(resolve(ServicesSettings()), GITOPS)})


@pytest.mark.parametrize("folder", FOLDERS)
def test_kustomize_builds_exactly_what_is_rendered(folder: str, tmp_path: Path, build: Build) -> None:
    files = manifest_files(resolve(ServicesSettings()), GITOPS)
    write(tmp_path, files)
    rendered = [
        yaml.safe_load(text)
        for path, text in files.items()
        if path.startswith(f"{folder}/") and not path.endswith(("kustomization.yaml", "appproject-a1.yaml"))
    ]
    built = {identity(one): one for one in build(tmp_path / folder)}
    assert built == {identity(one): one for one in rendered}


def test_an_object_is_declared_under_the_provider_s_type_of_its_kind() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "mcp-gateway"}}
    assert type_token(service) == "kubernetes:core/v1:Service"
    assert logical_name(service) == "mcp-gateway-service"
    assert type_token({"apiVersion": "apps/v1", "kind": "Deployment"}) == "kubernetes:apps/v1:Deployment"
