"""The committed files against what the catalog renders."""

import dataclasses
import itertools
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from a1platform.cli.render import render
from a1platform.delivery import yaml_sink
from a1platform.delivery.manifest import Manifest
from a1platform.services.builders import KINDS, service_objects
from a1platform.services.catalog import CATALOG
from a1platform.services.model import Capabilities, Rule
from a1platform.services.render import dashboard_files, manifest_files
from a1platform.services.resolve import resolve
from a1platform.services.shared import shared_objects
from a1platform.settings.services import GitopsSettings, ServicesSettings
from tests.services_bundle import SERVICES_IMAGE, services_bundle

ROOT = Path(__file__).resolve().parents[3]
FILES = manifest_files(resolve(ServicesSettings()), GitopsSettings())
PROJECT = "root/appproject-a1.yaml"
OWN = f"registry.example.com/mcp-services@sha256:{'0' * 64}"


def _documents() -> dict[str, Manifest]:
    return {path: yaml.safe_load(text) for path, text in FILES.items()}


def test_the_committed_manifests_are_what_the_catalog_renders() -> None:
    assert yaml_sink.differences(ROOT / "manifests", FILES) == []


def test_the_committed_dashboards_are_what_the_objectives_render() -> None:
    files = dashboard_files(resolve(ServicesSettings()))
    assert yaml_sink.differences(ROOT / "dashboards", files) == []


def test_rendering_twice_gives_the_same_bytes() -> None:
    assert manifest_files(resolve(ServicesSettings()), GitopsSettings()) == FILES


def test_no_rendered_file_holds_a_secret() -> None:
    assert "Secret" not in {one["kind"] for one in _documents().values()}


def test_every_folder_lists_exactly_its_files() -> None:
    documents = _documents()
    for path, document in documents.items():
        folder, _, name = path.rpartition("/")
        if name == "kustomization.yaml":
            beside = {other.rpartition("/")[2] for other in documents if other.startswith(f"{folder}/")} - {
                name
            }
            # The project is Pulumi's, and stands there to be read.
            assert set(document["resources"]) == beside - {PROJECT.rpartition("/")[2]}


def test_every_folder_has_its_application_and_every_application_its_folder() -> None:
    paths = {one["spec"]["source"]["path"] for one in _documents().values() if one["kind"] == "Application"}
    assert paths == {f"manifests/{path.split('/')[0]}" for path in FILES} - {"manifests/root"}


def _kinds(capabilities: Capabilities) -> set[tuple[str, str]]:
    rule = Rule(("",), ("configmaps",), ("get",))
    catalog = [dataclasses.replace(one, rules=(rule,)) for one in CATALOG]
    name = "mcp-registry"
    services = resolve(ServicesSettings(pull_secret=name), capabilities, catalog)
    objects = [*shared_objects(services), *(one for args in services for one in service_objects(args))]
    groups = [(one["apiVersion"].rpartition("/")[0], one["kind"]) for one in objects]
    return set(groups)


EVERY = [Capabilities(*flags) for flags in itertools.product((True, False), repeat=3)]


def test_the_project_allows_every_kind_that_any_cluster_gets_so_that_a_dropped_one_can_be_pruned() -> None:
    assert set(KINDS) == {kind for one in EVERY for kind in _kinds(one)}
    projects = {manifest_files(resolve(ServicesSettings(), one), GitopsSettings())[PROJECT] for one in EVERY}
    assert projects == {FILES[PROJECT]}
    allowed = yaml.safe_load(FILES[PROJECT])["spec"]["namespaceResourceWhitelist"]
    assert {(one["group"], one["kind"]) for one in allowed} == set(KINDS)


def test_the_project_allows_only_our_namespace() -> None:
    project = _documents()[PROJECT]["spec"]
    assert [one["namespace"] for one in project["destinations"]] == ["a1-orchestrator"]
    assert project["clusterResourceWhitelist"] == []


def _run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(render)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_check_fails_and_names_each_file_that_differs(tmp_path: Path) -> None:
    assert _run("--root", str(tmp_path))[0] == 0
    assert _run("--root", str(tmp_path), "--check") == (0, "")
    (tmp_path / "manifests/mcp-gateway/service.yaml").write_text("changed")
    (tmp_path / "manifests/mcp-config/deployment.yaml").unlink()
    (tmp_path / "manifests/extra.yaml").write_text("")
    code, output = _run("--root", str(tmp_path), "--check")
    assert code == 1
    for line in (
        "differs: mcp-gateway/service.yaml",
        "missing: mcp-config/deployment.yaml",
        "not rendered: extra.yaml",
    ):
        assert line in output.replace("\n", "\n")


def test_a_file_of_a_service_that_is_gone_is_removed(tmp_path: Path) -> None:
    stale = tmp_path / "manifests/mcp-gone/service.yaml"
    stale.parent.mkdir(parents=True)
    stale.write_text(yaml_sink.to_yaml({"kind": "Service"}))
    dashboard = tmp_path / "dashboards/a1-gone.json"
    dashboard.parent.mkdir()
    dashboard.write_text(next(iter(dashboard_files(resolve(ServicesSettings())).values())))
    assert _run("--root", str(tmp_path))[0] == 0
    assert not stale.parent.exists()
    assert not dashboard.exists()


@pytest.mark.parametrize("path", ["manifests/mcp-own/deployment.yaml", "dashboards/own.json"])
def test_a_folder_with_files_of_somebody_else_is_refused_and_left_as_it_is(tmp_path: Path, path: str) -> None:
    own = tmp_path / path
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    code, output = _run("--root", str(tmp_path))
    assert code != 0
    assert f"found {path.partition('/')[2]}, expected a folder of rendered" in " ".join(
        output.replace("│", " ").split()
    )
    assert own.read_text() == "{}"
    assert [one for one in (tmp_path / path.split("/", maxsplit=1)[0]).rglob("*") if one.is_file()] == [own]


def test_files_of_another_kind_are_left_where_they_are(tmp_path: Path) -> None:
    own = tmp_path / "manifests/README.md"
    own.parent.mkdir(parents=True)
    own.write_text("# Ours\n")
    assert _run("--root", str(tmp_path))[0] == 0
    assert own.read_text() == "# Ours\n"
    assert _run("--root", str(tmp_path), "--check") == (0, "")


def test_an_image_without_a_digest_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    code, output = _run("--root", str(tmp_path), "--image", "registry.example.com/mcp:1.0.0")
    assert code != 0
    assert "without a digest" in " ".join(output.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def _stack(folder: Path, **config: object) -> str:
    path = folder / "Pulumi.test.yaml"
    path.write_text(yaml.safe_dump({"config": {f"a1platform:{key}": value for key, value in config.items()}}))
    return str(path)


def test_a_stacks_own_settings_and_parts_are_rendered_without_its_secrets(tmp_path: Path) -> None:
    credentials = {"password": {"secure": "v1:encrypted"}}
    services = {
        "example": False,
        "overrides": {"mcp-gateway": {"minReplicas": 3}},
        "gitops": {
            "repoUrl": "https://git.example.com/a1.git",
            "path": "rendered",
            "credentials": credentials,
        },
    }
    stack = _stack(tmp_path, services=services, platform={"keda": {"enabled": False}})
    assert _run("--root", str(tmp_path), "--stack", stack)[0] == 0
    rendered = tmp_path / "rendered"
    autoscaler = yaml.safe_load((rendered / "mcp-gateway/horizontalpodautoscaler.yaml").read_text())
    assert autoscaler["spec"]["minReplicas"] == 3
    assert not list(rendered.rglob("scaledobject.yaml"))
    assert not (rendered / "mcp-example-tools").exists()
    assert not [one for one in rendered.rglob("*.yaml") if "encrypted" in one.read_text()]
    assert _run("--root", str(tmp_path), "--stack", stack, "--check") == (0, "")


@pytest.mark.parametrize(
    ("services", "arguments", "image"),
    [
        ({}, (), f"{SERVICES_IMAGE}-a"),
        ({"image": OWN}, (), OWN),
        ({}, ("--image", OWN), OWN),
    ],
    ids=["of the bundle", "of the site", "of the command line"],
)
def test_a_stack_with_a_bundle_is_rendered_with_the_image_that_pulumi_would_declare(
    tmp_path: Path, services: dict[str, object], arguments: tuple[str, ...], image: str
) -> None:
    bundle = services_bundle(tmp_path / "bundle", "a")
    stack = _stack(tmp_path, bundle=str(bundle.folder), services=services)
    assert _run("--root", str(tmp_path), "--stack", stack, *arguments)[0] == 0
    deployment = yaml.safe_load((tmp_path / "manifests/mcp-gateway/deployment.yaml").read_text())
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == image


def test_a_stack_whose_settings_contradict_the_catalog_is_refused_with_the_key(tmp_path: Path) -> None:
    stack = _stack(tmp_path, services={"overrides": {"mcp-gatewya": {}}})
    code, output = _run("--root", str(tmp_path), "--stack", stack)
    assert code != 0
    assert "services.overrides.mcp-gatewya: found no service" in " ".join(output.replace("│", " ").split())
    assert not (tmp_path / "manifests").exists()


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"services": {"delivery": "argocd"}}, "services.gitops: found no repoUrl"),
        ({"k3s": {"maxPods": "x"}}, "k3s.maxPods: found 'x'"),
        ({"services": {"minReplicas": 9}}, "services.minReplicas: found pods 55"),
        ({"services": {"enabled": False}}, "services.enabled: found false, expected true"),
    ],
)
def test_a_stack_that_up_would_refuse_or_has_no_services_is_not_rendered(
    tmp_path: Path, config: dict[str, object], told: str
) -> None:
    code, output = _run("--root", str(tmp_path), "--stack", _stack(tmp_path, **config))
    assert code != 0
    assert told in " ".join(output.replace("│", " ").split())
    assert [one.name for one in tmp_path.iterdir()] == ["Pulumi.test.yaml"]


def test_a_stack_that_is_not_there_is_not_taken_for_the_defaults(tmp_path: Path) -> None:
    code, output = _run("--root", str(tmp_path), "--stack", str(tmp_path / "Pulumi.gone.yaml"))
    assert code != 0
    assert "does not exist" in " ".join(output.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["yes", "1", "a: b", "two\nlines\n", "null", "é"])
def test_every_text_is_read_back_as_it_was(text: str) -> None:
    assert yaml.safe_load(yaml_sink.to_yaml({"data": text})) == {"data": text}
