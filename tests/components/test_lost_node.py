"""A machine that is marked as gone, among others that go on: nothing reaches it, and it is only forgotten."""

from collections.abc import Callable

import pulumi
import pytest

from a1platform.cluster.component import K3sCluster, K3sClusterArgs
from a1platform.node.component import HardenedNode, HardenedNodeArgs
from a1platform.node.drift import watched
from a1platform.settings.node import NodeSettings
from sandbox.lost import belongs
from tests.components.conftest import Declared
from tests.components.test_cluster import _bundle, _Server
from tests.unit.node.conftest import HOST_KEY

Declare = Callable[..., dict[str, Declared]]
_COMMAND = "command:remote:Command"
_RUNS = {"create", "update", "delete", "stdin"}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> tuple[NodeSettings, ...]:
    """A server, and two agents of which the second is gone."""
    key = tmp_path_factory.mktemp("ssh") / "id"
    key.write_text("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n")
    entries = (
        {"name": "a1", "host": "192.0.2.1"},
        {"name": "a1-b", "host": "192.0.2.2", "role": "agent"},
        {"name": "a2", "host": "192.0.2.3", "role": "agent", "isGone": True},
    )
    more = {"privateKeyFile": key, "hostKey": HOST_KEY}
    return tuple(NodeSettings.model_validate({**entry, **more}) for entry in entries)


@pytest.fixture(scope="module")
def declared(
    declare: Declare, nodes: tuple[NodeSettings, ...], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Declared]:
    bundle = _bundle(tmp_path_factory.mktemp("bundle"), ["system", "keda"])

    def program() -> pulumi.Output[object]:
        ready = [HardenedNode(node.name, HardenedNodeArgs(node)).ready for node in nodes]
        args = K3sClusterArgs(name="a1-test", nodes=nodes, bundle=bundle, parts=("keda",))
        return pulumi.Output.all(K3sCluster("cluster", args).kubeconfig, *ready)

    return declare(program, answers=_Server())


def _of(declared: dict[str, Declared], node: str) -> dict[str, Declared]:
    """Return the commands and copies for one machine."""
    places = (f"{node}-", f"cluster-{node}-")
    last = {"preflight", "leftovers", "hardening", "confirmation", "token", "k3s", "binary", "images", "copy"}
    return {
        name: one
        for name, one in declared.items()
        if name.startswith(places)
        and one.type.startswith("command:remote:")
        and name.rsplit("-", 1)[-1] in last
    }


def test_a_machine_that_is_gone_is_declared_so_that_it_is_only_forgotten(
    declared: dict[str, Declared],
) -> None:
    lost = _of(declared, "a2")
    assert {"a2-leftovers", "a2-hardening", "a2-keda-images", "cluster-a2-token", "cluster-a2-k3s"} <= set(
        lost
    )
    assert all(one.retained for one in lost.values())


def test_what_the_state_knows_of_it_does_not_change_whatever_the_settings_say(
    declared: dict[str, Declared],
) -> None:
    given = set(declared["a1-leftovers"].inputs) | set(declared["a1-hardening"].inputs)
    assert {frozenset(one.ignored) for one in _of(declared, "a2").values()} == {frozenset(given)}


def test_what_the_state_does_not_know_of_it_runs_nothing_there(declared: dict[str, Declared]) -> None:
    lost = _of(declared, "a2")
    assert {one.type for one in lost.values()} == {_COMMAND}
    assert all(_RUNS.isdisjoint(one.inputs) for one in lost.values())


@pytest.mark.parametrize("node", ["a1", "a1-b"])
def test_the_others_go_on_as_before(declared: dict[str, Declared], node: str) -> None:
    others = _of(declared, node)
    assert {f"{node}-hardening", f"cluster-{node}-k3s", f"cluster-{node}-binary-copy"} <= set(others)
    assert not any(one.retained or one.ignored for one in others.values())


def test_nobody_asks_it_what_has_drifted(
    nodes: tuple[NodeSettings, ...], declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("a1platform.node.drift.ask", lambda node, _: asked.append(node.name))
    declare(lambda: watched(nodes[2], "script"))
    assert asked == []


def test_whatever_a_destroy_would_do_on_a_machine_is_known_to_belong_to_it(
    declared: dict[str, Declared], nodes: tuple[NodeSettings, ...]
) -> None:
    kinds = {"cluster": "a1platform:cluster:K3sCluster"} | {
        node.name: "a1platform:node:HardenedNode" for node in nodes
    }
    owners = {
        one.name: [
            node.name
            for node in nodes
            if belongs(f"urn:pulumi:test::a1platform::{kinds[one.parent]}${one.type}::{one.name}", node.name)
        ]
        for one in declared.values()
        if "delete" in one.inputs
    }
    assert owners == {
        **{f"{node}-leftovers": [node] for node in ("a1", "a1-b")},
        **{
            f"cluster-{node}-{last}": [node]
            for node in ("a1", "a1-b")
            for last in ("binary", "images", "k3s")
        },
        "cluster-a1-b-token": ["a1-b"],
    }
