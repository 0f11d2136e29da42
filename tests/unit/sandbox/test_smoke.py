"""What `make smoke` hands to the suite."""

import json
from pathlib import Path

import httpx2
import pytest
import yaml

from sandbox.pulumi import PulumiError
from sandbox.stack_outputs import kubeconfig_file, write_kubeconfig, write_outputs
from tests.smoke.conftest import Outputs, installed_from
from tests.smoke.gitops import delivers
from tests.smoke.rest import Rest


def test_the_outputs_go_into_a_file_that_nobody_else_can_read_and_the_kubeconfig_into_none(
    tmp_path: Path,
) -> None:
    told = {"kubeconfig": "the cluster's", "apiKey": "a key", "parts": {"keda": "chart"}}
    path = write_outputs(told, tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {"apiKey": "a key", "parts": {"keda": "chart"}}


def test_a_stack_without_a_cluster_is_told_what_to_run_and_gets_no_empty_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A1_STATE", str(tmp_path))
    with pytest.raises(PulumiError, match=r"found no kubeconfig in stack sandbox, expected .*`make up`"):
        write_kubeconfig("sandbox", {})
    assert list(kubeconfig_file("sandbox").parent.iterdir()) == []


def test_a_check_is_skipped_for_what_was_left_out_and_for_nothing_that_is_just_not_told() -> None:
    services = "left out: not built: no answer"
    left_out = {"grafana": "left out: on no package registry", "mcp-services": services}
    told = Outputs({"keda": "upstream manifests", **left_out}, (), "")
    assert installed_from("mcp-services", told) == services
    assert installed_from("keda", told) == "upstream manifests"
    assert installed_from("grafana", told) == "left out: on no package registry"
    assert installed_from("tracing", told) == "left out: off by default"
    with pytest.raises(AssertionError, match="the stack tells nothing of gatekeeper"):
        installed_from("gatekeeper", told)


@pytest.mark.parametrize(
    ("delivery", "services", "looked_at"),
    [("argocd", ("mcp-gateway",), True), ("argocd", (), False), ("pulumi", ("mcp-gateway",), False)],
)
def test_applications_are_looked_at_where_the_configuration_wants_them_not_where_they_are(
    delivery: str, services: tuple[str, ...], tmp_path: Path, *, looked_at: bool
) -> None:
    file = tmp_path / "Pulumi.sandbox.yaml"
    gitops = {"repoUrl": "git://192.0.2.1/a1platform.git", "revision": "main", "path": "manifests"}
    file.write_text(
        yaml.safe_dump({"config": {"a1platform:services": {"delivery": delivery, "gitops": gitops}}})
    )
    assert delivers(file, Outputs({}, services, "")) == looked_at


def _cluster(request: httpx2.Request) -> httpx2.Response:
    """An API server that knows Deployments, and answers as a real one does to what it does not know."""
    if request.url.path == "/apis/apps/v1":
        return httpx2.Response(200, json={"resources": [{"kind": "Deployment"}]})
    return httpx2.Response(404, text="404 page not found\n")


@pytest.mark.parametrize(
    ("version", "kind", "known"),
    [
        ("v1", "Pod", True),
        ("apps/v1", "Deployment", True),
        ("apps/v1", "Departure", False),
        ("keda.sh/v1alpha1", "ScaledObject", False),
    ],
)
def test_a_kind_that_the_cluster_lacks_is_told_from_one_that_it_refuses(
    version: str, kind: str, *, known: bool
) -> None:
    manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": "it", "namespace": "there"}}
    with httpx2.Client(base_url="https://cluster", transport=httpx2.MockTransport(_cluster)) as client:
        assert Rest(client).knows(manifest) == known
        answer = Rest(client).dry_run(manifest)
    assert (answer.status, answer.message) == (404, "404 page not found")
