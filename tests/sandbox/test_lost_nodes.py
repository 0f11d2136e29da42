"""Three servers and an agent of which some are lost for good: forgotten alone, while the others go on."""

from collections.abc import Callable
from typing import Any

import pytest

from a1platform.naming import PROJECT
from sandbox.cache import Cache
from sandbox.engine import Engine
from sandbox.node import Node
from tests.sandbox.deployment import DESTROY, UP, Deployment, three_servers_and_an_agent, traces
from tests.sandbox.faults import cut_power

pytestmark = [pytest.mark.sandbox, pytest.mark.long, pytest.mark.timeout(1800)]
_KUBECTL = "KUBECACHEDIR=/run/k3s/kubectl k3s kubectl"
_STARTED = "systemctl show k3s --property ActiveEnterTimestamp"


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


def test_an_agent_that_is_gone_stops_no_up_and_is_forgotten_with_its_entry(
    deployed: Deployment, engine: Engine, group: str
) -> None:
    since = deployed.on_node(_STARTED)
    cut_power(engine, deployed.others[2], group)
    deployed.configure(lambda config: _agent(config).update(role="agent", isGone=True))
    deployed.stack.read(*UP)
    deployed.stack.read(*UP, "--expect-no-changes")
    deployed.on_node(f"{_KUBECTL} delete node a4")
    deployed.configure(_without_agent)
    deployed.stack.read(*UP)
    deployed.stack.read(*UP, "--expect-no-changes")
    assert "a4-" not in deployed.stack.read("stack", "export")
    assert deployed.on_node(_STARTED) == since
    answer = deployed.on_node(f"{_KUBECTL} wait node --all --for condition=Ready --timeout 60s")
    assert sorted(answer.split()[::3]) == ["node/a1", "node/a2", "node/a3"]


def test_down_forgets_a_server_that_is_gone_and_gives_the_others_back(
    deployed: Deployment, before: list[dict[str, str]], engine: Engine, group: str
) -> None:
    cut_power(engine, deployed.others[1], group)
    deployed.stack.retain_nodes(["a3"])
    deployed.stack.read(*DESTROY)
    assert [traces(deployed, node) for node in (deployed.node, deployed.others[0])] == before[:2]
    deployed.stack.remove()


def _agent(config: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = config[f"{PROJECT}:nodes"][3]
    return entry


def _without_agent(config: dict[str, Any]) -> None:
    del config[f"{PROJECT}:nodes"][3]
