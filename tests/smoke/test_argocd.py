"""Argo CD: it answers, what it delivers is as the repository says and stays so, and strangers are refused."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import kr8s
import pytest
from kr8s.objects import Deployment, PodDisruptionBudget, Service

from a1platform.delivery.argocd import NAMESPACE as ARGO_CD
from a1platform.delivery.argocd import ROOT
from a1platform.services.catalog import CATALOG
from a1platform.services.resolve import NAMESPACE
from sandbox.delivery import REPOSITORY, git_folder
from sandbox.git_repository import head
from sandbox.recipes.argo_cd import VERSION
from tests.smoke.conftest import Outputs, listed
from tests.smoke.gitops import applications, delivers, look, state
from tests.smoke.reach import reached
from tests.smoke.rest import Manifest, Rest
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.smoke, pytest.mark.part("argo-cd")]

_WELL = ("Synced", "Healthy")
_EXAMPLE = next(entry.name for entry in CATALOG if entry.example)
_MARK = "a1platform/smoke"


@pytest.fixture
def delivered(api: kr8s.Api, stack_file: Path, outputs: Outputs) -> dict[str, Manifest]:
    """Every Application; a check of them is skipped where the configuration has Pulumi deliver."""
    if not delivers(stack_file, outputs):
        pytest.skip("Argo CD delivers nothing here: services.delivery is pulumi, or there are no services")
    found = applications(api)
    assert ROOT in found, f"Argo CD is to deliver the services, and has of Applications {sorted(found)}"
    return found


@pytest.fixture
def clone(delivered: dict[str, Manifest], tmp_path: Path) -> Path:
    """A clone of the sandbox's repository that can push; another repository is not written to."""
    url = delivered[ROOT]["spec"]["source"]["repoURL"]
    if not url.startswith("git://") or not url.endswith(f"/{REPOSITORY}"):
        pytest.skip(f"{url} is not the sandbox's own repository, and no check writes to another")
    subprocess.run(["git", "clone", "--quiet", git_folder() / REPOSITORY, tmp_path / "clone"], check=True)
    return tmp_path / "clone"


def test_argo_cd_answers_at_port_80_of_its_service_as_the_pinned_release(api: kr8s.Api) -> None:
    ports = Service.get("argocd-server", namespace=ARGO_CD, api=api).raw["spec"]["ports"]
    assert 80 in [port["port"] for port in ports]
    with reached(api, ARGO_CD, "argocd-server", 80) as url, httpx2.Client(base_url=url) as http:
        assert http.get("/healthz").text.strip() == "ok"
        assert http.get("/api/version").json()["Version"].startswith(f"v{VERSION}")


def test_every_role_has_the_pods_that_it_asks_for(api: kr8s.Api) -> None:
    found = {one.name: one.raw for one in listed(Deployment, api, namespace=ARGO_CD)}
    assert {"argocd-server", "argocd-repo-server", "argocd-redis"} <= set(found)
    few = {
        name: raw["status"].get("readyReplicas", 0)
        for name, raw in found.items()
        if raw["status"].get("readyReplicas", 0) < raw["spec"]["replicas"]
    }
    assert few == {}


def test_the_root_and_every_application_below_it_are_synced_to_one_commit_and_healthy(
    api: kr8s.Api, delivered: dict[str, Manifest], outputs: Outputs
) -> None:
    assert set(delivered) >= {ROOT, "shared", *outputs.services}

    def unwell() -> dict[str, tuple[str, str]]:
        return {name: state(one) for name, one in applications(api).items() if state(one) != _WELL}

    assert eventually(unwell, 120, wanted=lambda seen: not seen) == {}
    found = applications(api)
    assert len({one["status"]["sync"]["revision"] for one in found.values()}) == 1
    resources = found[ROOT]["status"]["resources"]
    # No project: Git would else say what Git may do.
    assert {(one["kind"], one["name"]) for one in resources} == {
        ("Application", name) for name in found if name != ROOT
    }


def test_nothing_is_synced_again_and_again(api: kr8s.Api, delivered: dict[str, Manifest]) -> None:
    before = {name: _last_sync(one) for name, one in delivered.items()}
    found = look(api, *delivered, how="hard")
    assert {name: one for name, one in found.items() if state(one)[0] != "Synced"} == {}
    # A difference is healed within 5 s.
    time.sleep(10)
    assert {name: _last_sync(one) for name, one in applications(api).items()} == before


def test_what_somebody_deletes_comes_back(api: kr8s.Api, delivered: dict[str, Manifest]) -> None:
    if _EXAMPLE not in delivered:
        pytest.skip(f"{_EXAMPLE} is not installed, and no other service is taken away for a check")
    gone: Any = Deployment.get(_EXAMPLE, namespace=NAMESPACE, api=api)
    number = gone.raw["metadata"]["uid"]
    gone.delete(propagation_policy="Foreground")

    def replaced() -> Manifest:
        found = {one.name: one.raw for one in listed(Deployment, api, namespace=NAMESPACE)}
        raw = found.get(_EXAMPLE, {})
        is_new = raw.get("metadata", {}).get("uid", number) != number
        return raw if is_new and raw.get("status", {}).get("availableReplicas", 0) > 1 else {}

    assert eventually(replaced, 180), f"Deployment {_EXAMPLE} did not come back with two pods"
    healed = eventually(lambda: state(applications(api)[_EXAMPLE]), 60, wanted=lambda seen: seen == _WELL)
    assert healed == _WELL


@pytest.fixture
def push(clone: Path, api: kr8s.Api) -> Iterator[Callable[[Callable[[str], str]], None]]:
    """What changes the text of the example's disruption budget in the repository; undone afterwards."""
    file = clone / "manifests" / _EXAMPLE / "poddisruptionbudget.yaml"
    before = file.read_text(encoding="utf-8")

    def change(to: Callable[[str], str]) -> None:
        file.write_text(to(before), encoding="utf-8")
        who = ("-c", "user.name=A1 smoke", "-c", "user.email=smoke@a1.invalid")
        commit = ("commit", "--quiet", "--all", "--no-verify", "--message", "test: the smoke suite's own")
        subprocess.run(["git", "-C", clone, *who, *commit], check=True)
        subprocess.run(["git", "-C", clone, "push", "--quiet"], check=True)
        look(api, _EXAMPLE)

    yield change
    if file.read_text(encoding="utf-8") != before:
        change(lambda text: text)


def test_a_commit_is_followed_and_so_is_its_opposite(
    api: kr8s.Api, push: Callable[[Callable[[str], str]], None], delivered: dict[str, Manifest]
) -> None:
    def mark() -> str:
        found = PodDisruptionBudget.get(_EXAMPLE, namespace=NAMESPACE, api=api)
        return str(found.raw["metadata"].get("annotations", {}).get(_MARK, "none"))

    push(lambda text: text.replace("metadata:\n", f"metadata:\n  annotations:\n    {_MARK}: here\n", 1))
    assert eventually(mark, 60, wanted=lambda seen: seen == "here") == "here"
    push(lambda text: text)
    assert eventually(mark, 60, wanted=lambda seen: seen == "none") == "none"
    assert head(git_folder() / REPOSITORY) != delivered[ROOT]["status"]["sync"]["revision"]
    look(api, *delivered)


def test_the_project_of_the_services_takes_nothing_from_another_repository_or_to_another_namespace(
    rest: Rest, delivered: dict[str, Manifest]
) -> None:
    good = delivered["shared"]["spec"]
    stranger = {**good["source"], "repoURL": "https://repository.invalid/other.git"}
    outside = {**good["destination"], "namespace": "kube-system"}
    for change in ({"source": stranger}, {"destination": outside}):
        made = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "a1-smoke", "namespace": ARGO_CD},
            "spec": {key: value for key, value in {**good, **change}.items() if key != "syncPolicy"},
        }
        with rest.applied(made):
            said = eventually(lambda: _conditions(rest, made), 60)  # noqa: B023 - called at once
        assert "InvalidSpecError" in said, f"{change} is taken"


def test_an_application_that_names_no_project_of_its_own_is_refused(rest: Rest) -> None:
    made = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "a1-smoke-default", "namespace": ARGO_CD},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://repository.invalid/other.git", "path": "."},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": NAMESPACE},
        },
    }
    with rest.applied(made):
        said = eventually(lambda: _conditions(rest, made), 60)
    assert "InvalidSpecError" in said


def _last_sync(application: Manifest) -> str:
    """Return when the last one began; what was as it should be from the start needed none."""
    operation = application["status"].get("operationState", {})
    return str(operation.get("startedAt", "never"))


def _conditions(rest: Rest, application: Manifest) -> list[str]:
    found = rest.get(application) or {}
    return [one["type"] for one in found.get("status", {}).get("conditions", [])]
