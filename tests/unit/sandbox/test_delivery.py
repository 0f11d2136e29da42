"""Who delivers the services on the sandbox, what is in the repository, and when Argo CD is done."""

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from a1platform.delivery.yaml_sink import differences
from a1platform.naming import PROJECT
from a1platform.platform.selection import NAMES, OPTIONAL
from a1platform.services.catalog import JAEGER_URL
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.services import ServicesSettings
from sandbox import syncing
from sandbox.bundle import chosen
from sandbox.delivery import (
    REPOSITORY,
    Delivery,
    commit_files,
    deliver,
    delivers_from_git,
    end,
    git_folder,
    offered_by,
    rendered,
)
from sandbox.git_repository import head, paths, run
from sandbox.git_server import stop
from sandbox.node import Node
from sandbox.parts import PARTS
from sandbox.stack_settings import installed_parts, stack_settings
from sandbox.syncing import SyncError, missing_to
from tests.no_cluster import NO_CLUSTER
from tests.services_bundle import SERVICES_IMAGE, services_bundle

ROOT = Path(__file__).parents[3]
NODE = Node("a1", "192.0.2.2", 22, "a1", Path("/key"), "ssh-ed25519 AAAA")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """Give an address and a port to serve at, with a state folder of the test's own."""
    monkeypatch.setenv("A1_STATE", str(tmp_path))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    yield "127.0.0.1", port
    stop(git_folder())


@pytest.mark.parametrize("missing", ["argo-cd", "external-secrets", "mcp-services"])
def test_pulumi_delivers_as_long_as_argo_cd_or_what_the_services_need_is_not_there(
    place: tuple[str, int], missing: str
) -> None:
    assert deliver(set(PARTS) - {missing}, *place) == Delivery({"delivery": "pulumi"})
    assert not git_folder().exists()


def test_with_argo_cd_the_settings_name_the_repository_that_is_served(place: tuple[str, int]) -> None:
    done = deliver(PARTS, *place)
    settings = ServicesSettings.model_validate(done.settings)
    assert settings.delivery.value == "argocd"
    assert settings.gitops.repo_url
    told = run(git_folder() / REPOSITORY, "ls-remote", settings.gitops.repo_url, settings.gitops.revision)
    assert told.decode().split()[0] == head(git_folder() / REPOSITORY)
    assert paths(git_folder() / REPOSITORY) == set(done.files)
    assert stack_settings([NODE], services=done.settings)["config"][f"{PROJECT}:services"] == done.settings


def test_what_was_chosen_is_switched_on_and_what_was_not_is_off() -> None:
    def switched(*parts: str) -> dict[str, bool]:
        config = stack_settings([NODE], parts=parts)["config"]
        settings = PlatformSettings.model_validate(config[f"{PROJECT}:platform"])
        return {name: settings.part(name).enabled for name in NAMES}

    usual = [name for name in NAMES if name not in OPTIONAL]
    assert switched(*usual) == {name: name in usual for name in NAMES}
    assert switched("keda", "tracing") == {name: name in {"keda", "tracing"} for name in NAMES}


def test_git_is_asked_for_where_argo_cd_will_deliver_and_nowhere_else() -> None:
    assert delivers_from_git(PARTS)
    assert not delivers_from_git(["keda", "argo-cd"])


@pytest.mark.parametrize("parts", [[], ["keda", "tracing"], ["external-secrets", "mcp-services"]])
def test_what_a_run_was_to_install_is_known_to_the_next(parts: Sequence[str]) -> None:
    assert installed_parts(stack_settings([NODE], parts=parts)) == set(parts)


def test_where_it_is_not_known_any_more_everything_usual_counts_as_installed() -> None:
    usual = {name for name in NAMES if name not in OPTIONAL}
    assert installed_parts({}) == usual | {"mcp-services"}


@pytest.mark.parametrize(("parts", "enabled"), [(["external-secrets"], False), (list(PARTS), True)])
def test_services_that_were_not_chosen_are_off_whatever_the_bundle_holds(
    parts: Sequence[str], *, enabled: bool
) -> None:
    for given in (None, {"delivery": "pulumi"}):
        config = stack_settings([NODE], parts=parts, services=given)["config"]
        settings = ServicesSettings.model_validate(config.get(f"{PROJECT}:services", {}))
        assert settings.enabled == enabled
        assert settings.delivery.value == "pulumi"


def test_spans_go_on_to_jaeger_where_it_is_there(place: tuple[str, int]) -> None:
    without = "".join(deliver(set(PARTS) - {"tracing"}, *place).files.values())
    deliver(PARTS, *place)
    more = deliver(PARTS, *place)
    assert JAEGER_URL not in without
    assert JAEGER_URL in "".join(more.files.values())
    assert not more.first


def test_a_second_time_changes_nothing(place: tuple[str, int]) -> None:
    first = deliver(PARTS, *place)
    commit = head(git_folder() / REPOSITORY)
    assert deliver(PARTS, *place) == first
    assert commit_files(first.files) == commit


def test_what_is_new_is_committed_only_once_its_part_is_installed(place: tuple[str, int]) -> None:
    deliver(set(PARTS) - {"keda"}, *place)
    commit = head(git_folder() / REPOSITORY)
    more = deliver(PARTS, *place)
    assert head(git_folder() / REPOSITORY) == commit
    assert not more.first
    assert commit_files(more.files) != commit


def test_objects_of_a_part_that_goes_are_gone_before_it_and_none_of_a_new_part_is_there_yet(
    place: tuple[str, int],
) -> None:
    deliver(set(PARTS) - {"monitoring"}, *place)
    other = deliver(set(PARTS) - {"keda"}, *place)
    first, then = ("".join(files.values()) for files in (other.first, other.files))
    assert "apiVersion: keda.sh" not in first
    assert "apiVersion: monitoring.coreos.com" not in first
    assert "apiVersion: monitoring.coreos.com" in then
    assert set(other.applications) == {"a1-root", *(path.split("/")[1] for path in other.first)} - {"root"}


def test_every_application_of_the_repository_is_waited_for(place: tuple[str, int]) -> None:
    done = deliver(PARTS, *place)
    files = rendered(ServicesSettings.model_validate(done.settings), offered_by(PARTS))
    documents = [yaml.safe_load(text) for path, text in files.items() if path.startswith("manifests/root/")]
    made = {one["metadata"]["name"] for one in documents if one["kind"] == "Application"}
    assert set(done.applications) == {"a1-root", *made}


def test_with_every_usual_part_the_repository_holds_what_is_committed_here() -> None:
    files = rendered(ServicesSettings(), offered_by(part.name for part in chosen(None)))
    assert (
        differences(ROOT / "manifests", {path.removeprefix("manifests/"): files[path] for path in files})
        == []
    )


def test_without_a_part_no_object_of_its_kinds_is_in_the_repository() -> None:
    texts = "".join(rendered(ServicesSettings(), offered_by({"argo-cd", "monitoring"})).values())
    assert "apiVersion: keda.sh" not in texts
    # Its kinds come with a part of their own.
    assert "apiVersion: monitoring.coreos.com" not in texts


def test_at_the_end_neither_server_nor_repository_is_left(place: tuple[str, int]) -> None:
    deliver(PARTS, *place)
    end()
    end()
    assert not git_folder().exists()
    with pytest.raises(OSError, match="refused"), socket.socket() as client:
        client.connect(place)


def application(**status: Any) -> dict[str, Any]:  # noqa: ANN401 - as Kubernetes gives it
    """Return an Application as it is when all is well, with some of its status otherwise."""
    well = {"sync": {"status": "Synced", "revision": "c" * 40}, "health": {"status": "Healthy"}}
    return {"status": {**well, **status}}


def test_all_is_well_when_every_application_is_synced_to_the_commit_and_healthy() -> None:
    assert missing_to("c" * 40, ["one", "two"], {"one": application(), "two": application()}) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "not there yet"),
        ({}, "Unknown and Unknown; at no commit"),
        (application(sync={"status": "Synced", "revision": "d" * 40}), "Synced and Healthy; at dddddddddddd"),
        (
            application(
                health={"status": "Degraded"},
                resources=[
                    {"kind": "Service", "name": "well", "health": {"status": "Healthy"}},
                    {"kind": "ConfigMap", "name": "without"},
                    {
                        "kind": "Deployment",
                        "name": "bad",
                        "health": {"status": "Degraded", "message": "why"},
                    },
                ],
            ),
            "Synced and Degraded; at cccccccccccc; Deployment bad why",
        ),
        (
            application(
                sync={"status": "Unknown"},
                conditions=[{"type": "ComparisonError", "message": "repository not found"}],
            ),
            "Unknown and Healthy; at no commit; repository not found",
        ),
        (
            application(
                sync={"status": "OutOfSync", "revision": "c" * 40},
                operationState={"phase": "Failed", "message": "a policy refused it"},
            ),
            "OutOfSync and Healthy; at cccccccccccc; a policy refused it",
        ),
    ],
)
def test_what_is_not_well_is_named_with_what_argo_cd_says(found: dict[str, Any] | None, said: str) -> None:
    applications = {} if found is None else {"one": found}
    assert missing_to("c" * 40, ["one"], applications) == [f"one: {said}"]


def test_another_image_of_the_services_is_another_commit_and_so_other_pods(
    place: tuple[str, int], tmp_path: Path
) -> None:
    first, second = (deliver(PARTS, *place, bundle=services_bundle(tmp_path / one, one)) for one in "ab")
    assert commit_files(first.files) != commit_files(second.files)
    assert f"image: {SERVICES_IMAGE}-b\n" in second.files["manifests/mcp-gateway/deployment.yaml"]


def test_what_is_never_healthy_ends_the_wait_with_what_its_pods_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "_WITHIN_SECONDS", 0)
    explain = "last lines of one-7f: no such file"
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(NO_CLUSTER))
    with pytest.raises(SyncError) as refused:
        syncing.await_synced(file, "c" * 40, ["one"], lambda: explain, lambda _: None)
    assert str(refused.value).splitlines()[-1] == explain
    assert "the API server does not answer" in str(refused.value)
