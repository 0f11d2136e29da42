"""Three servers and an agent as one cluster, by the same program as a single node."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.cache import Cache
from sandbox.node import Node
from tests.sandbox.deployment import DESTROY, UP, Deployment, three_servers_and_an_agent, traces

pytestmark = [pytest.mark.sandbox, pytest.mark.long, pytest.mark.timeout(1800)]
_KUBECTL = "KUBECACHEDIR=/run/k3s/kubectl k3s kubectl"
_PKI = "/var/lib/rancher/k3s/server/tls/etcd"


@pytest.fixture(scope="module")
def cluster(
    cache: Cache, start_node: Callable[[str], Node], tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    return three_servers_and_an_agent(cache, start_node, tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def before(cluster: Deployment) -> list[dict[str, str]]:
    return [traces(cluster, node) for node in (cluster.node, *cluster.others)]


@pytest.fixture(scope="module")
def deployed(cluster: Deployment, before: list[dict[str, str]]) -> Deployment:
    assert before
    cluster.stack.read(*UP)
    return cluster


def test_every_node_is_ready(deployed: Deployment) -> None:
    answer = deployed.on_node(f"{_KUBECTL} wait node --all --for condition=Ready --timeout 60s")
    assert sorted(answer.split()[::3]) == ["node/a1", "node/a2", "node/a3", "node/a4"]
    listed: dict[str, Any] = json.loads(deployed.on_node(f"{_KUBECTL} get nodes --output json"))
    roles = {
        node["metadata"]["name"]: "node-role.kubernetes.io/control-plane" in node["metadata"]["labels"]
        for node in listed["items"]
    }
    assert roles == {"a1": True, "a2": True, "a3": True, "a4": False}


def test_etcd_has_a_member_on_each_server(deployed: Deployment) -> None:
    answer = deployed.on_node(
        f"curl --http1.1 --silent --fail --cacert {_PKI}/peer-ca.crt --cert {_PKI}/peer-server-client.crt "
        f"--key {_PKI}/peer-server-client.key https://127.0.0.1:2380/members"
    )
    members: list[dict[str, Any]] = json.loads(answer)
    assert sorted(member["name"].partition("-")[0] for member in members) == ["a1", "a2", "a3"]
    assert not any(member.get("isLearner") for member in members)


def test_a_second_up_changes_nothing(deployed: Deployment) -> None:
    deployed.stack.read(*UP, "--expect-no-changes")


def test_destroy_leaves_nothing_on_any_node(deployed: Deployment, before: list[dict[str, str]]) -> None:
    deployed.stack.read(*DESTROY)
    assert [traces(deployed, node) for node in (deployed.node, *deployed.others)] == before
    deployed.stack.remove()
