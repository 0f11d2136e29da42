"""A bare node to a running cluster and back, by the real program, over real SSH."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kr8s
import pytest
from kr8s.objects import Node as KubernetesNode

from a1platform import versions
from a1platform.naming import PROJECT
from sandbox.cache import Cache
from sandbox.node import Node
from sandbox.pulumi import PulumiError
from tests.sandbox.deployment import DESTROY, UP, Deployment, cluster_bundle, deployment, traces

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def bare(
    cache: Cache, start_node: Callable[[str], Node], tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """A configured stack and a node that nothing has touched yet."""
    return deployment(cache, start_node("a1"), tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def before(bare: Deployment) -> dict[str, str]:
    """What an uninstall must not leave behind, as it was before."""
    return traces(bare)


@pytest.fixture(scope="module")
def deployed(bare: Deployment, before: dict[str, str]) -> Iterator[Deployment]:
    assert before
    bare.stack.read(*UP)
    yield bare
    if bare.stack.exists():
        bare.stack.read(*DESTROY)


def _started(deployment: Deployment) -> str:
    return deployment.on_node("systemctl show k3s --property ActiveEnterTimestampMonotonic,NRestarts")


def _admitted(deployment: Deployment) -> int:
    return int(deployment.on_node('journalctl --unit ssh | grep -c "Accepted publickey"'))


def test_a_wrong_host_key_is_refused_and_nothing_is_sent(bare: Deployment, before: dict[str, str]) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0Fhq9hGYd7CgQPNJ1k3Y1dJYw3mT4Q5d2Jp1XqkO9v"
    node = dataclasses.replace(bare.node, host_key=other)
    dataclasses.replace(bare, node=node).configure()
    admitted = _admitted(bare)
    try:
        with pytest.raises(PulumiError) as refused:
            bare.stack.read(*UP)
    finally:
        bare.configure()
    assert "a1-preflight: the host shows another key than the pinned one" in str(refused.value)
    # The look at the journal is a login of its own.
    assert _admitted(bare) == admitted + 1
    assert traces(bare) == before


def test_the_node_is_ready_with_the_pinned_release(deployed: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.touch(mode=0o600)
    file.write_text(str(deployed.stack.outputs()["kubeconfig"]))
    nodes: list[Any] = list(KubernetesNode.list(api=kr8s.api(kubeconfig=str(file))))
    assert [node.name for node in nodes] == ["a1"]
    status = nodes[0].raw["status"]
    assert status["nodeInfo"]["kubeletVersion"] == versions.K3S
    assert next(entry for entry in status["conditions"] if entry["type"] == "Ready")["status"] == "True"


def test_a_second_up_changes_nothing_and_restarts_nothing(deployed: Deployment) -> None:
    started = _started(deployed)
    deployed.stack.read(*UP, "--expect-no-changes")
    assert _started(deployed) == started


@pytest.mark.parametrize(
    ("extra", "said", "written"),
    [
        ({"kube-apiserver-arg": ["no-such-flag=1"]}, "no-such-flag", "no-such-flag"),
        # The API server starts with it, and says for a while that the node is Ready, as it was before.
        pytest.param(
            {"flannel-iface": "no-such-one"},
            "unable to find interface",
            "no-such-one",
            marks=pytest.mark.long,
        ),
    ],
    ids=["API server", "node agent"],
)
def test_a_configuration_that_k3s_refuses_shows_why_and_the_previous_one_goes_on(
    deployed: Deployment, extra: dict[str, Any], said: str, written: str
) -> None:
    def break_it(config: dict[str, Any]) -> None:
        config[f"{PROJECT}:k3s"]["extraConfig"] |= extra
        config[f"{PROJECT}:k3s"]["startTimeout"] = 60

    deployed.configure(break_it)
    try:
        with pytest.raises(PulumiError) as refused:
            deployed.stack.read(*UP)
    finally:
        deployed.configure()
    assert said in str(refused.value)
    assert "previous configuration" in str(refused.value)
    assert deployed.on_node("systemctl is-active k3s") == "active"
    deployed.stack.read(*UP)
    assert written not in deployed.on_node("cat /etc/rancher/k3s/config.yaml")


def test_no_secret_stands_in_plain_text_in_the_state(deployed: Deployment) -> None:
    outputs = deployed.stack.outputs()
    key = deployed.node.private_key.read_text()
    token = deployed.on_node("cat /var/lib/rancher/k3s/server/token").rsplit(":", 1)[-1]
    kubeconfig = str(outputs["kubeconfig"])
    certificate = next(line.split()[-1] for line in kubeconfig.splitlines() if "client-key-data" in line)
    backend = Path(deployed.stack.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
    for path in backend.rglob("*"):
        if path.is_file():
            text = path.read_text(errors="replace")
            for secret in (key.splitlines()[2], json.dumps(key), token, certificate):
                assert secret not in text, f"a secret stands in {path.name}"


def test_k3s_alone_is_put_back_with_the_images_that_stayed(deployed: Deployment) -> None:
    # What a destroy leaves that was killed after the uninstall.
    urn = "urn:pulumi:test::a1platform::a1platform:cluster:K3sCluster$command:remote:Command::cluster-a1-k3s"
    deployed.stack.read(*DESTROY, "--target", urn, "--target-dependents")
    assert deployed.on_node("systemctl is-active k3s || true") == "inactive"
    deployed.stack.read(*UP)
    ready = "get deployment coredns -o jsonpath={.status.readyReplicas}"
    kubectl = "KUBECACHEDIR=/run/k3s/kubectl k3s kubectl --namespace kube-system"
    assert deployed.on_node(f"{kubectl} {ready}") == "1"


def test_a_part_comes_from_the_bundle_and_works_stays_as_it_is_and_goes(
    deployed: Deployment, cache: Cache
) -> None:
    cluster_bundle(cache, "gatekeeper")
    deployed.configure(lambda config: config[f"{PROJECT}:platform"].update(gatekeeper={}))
    deployed.stack.read(*UP)
    kubectl = "KUBECACHEDIR=/run/k3s/kubectl k3s kubectl"
    helm = "get secrets --namespace gatekeeper-system --selector owner=helm,status=deployed --output name"
    assert deployed.on_node(f"{kubectl} {helm}").count("secret/") == 1
    created = deployed.on_node(f"{kubectl} get constrainttemplates -o jsonpath={{.items[*].status.created}}")
    assert set(created.split()) == {"true"}
    deployed.stack.read(*UP, "--expect-no-changes")
    deployed.configure()
    deployed.stack.read(*UP)
    gone = "get namespace gatekeeper-system --ignore-not-found --output name"
    assert deployed.on_node(f"{kubectl} {gone}") == ""


def test_destroy_gives_the_host_back_as_it_was(deployed: Deployment, before: dict[str, str]) -> None:
    deployed.stack.read(*DESTROY)
    assert traces(deployed) == before
