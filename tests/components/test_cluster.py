"""The component `K3sCluster` against the recording engine."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from pulumi.runtime import mocks

from a1platform.bundle import load
from a1platform.cluster.component import K3sCluster, K3sClusterArgs
from a1platform.settings.node import NodeSettings
from tests.components.conftest import Declared, Echo

Declare = Callable[..., dict[str, Declared]]
_K3S_YAML = """
clusters: [{cluster: {certificate-authority-data: Y2E=}}]
users: [{user: {client-certificate-data: Y2VydA==, client-key-data: a2V5}}]
---
K10abc::server:def
"""


class _Server(Echo):
    """A server that prints its kubeconfig."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        name, state = super().new_resource(args)
        return name, {**state, "stdout": _K3S_YAML} if args.name.endswith("-access") else state


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> NodeSettings:
    key = tmp_path_factory.mktemp("ssh") / "id"
    key.write_text("-----BEGIN PRIVATE KEY-----\nprivate-part\n-----END PRIVATE KEY-----\n")
    public = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32).decode()
    return NodeSettings.model_validate(
        {"name": "a1", "host": "192.0.2.10", "privateKeyFile": key, "hostKey": f"ssh-ed25519 {public}"}
    )


@pytest.fixture(scope="module")
def declared(
    declare: Declare, node: NodeSettings, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Declared]:
    folder = tmp_path_factory.mktemp("bundle")
    listed: dict[str, Any] = {
        "schema": 1,
        "k3s": {"version": "v1.30.5+k3s1", "path": "k3s", "sha256": "a" * 64, "origin": "test"},
        "parts": {
            "system": {
                "images": [{"path": "system/pause.tar", "sha256": "b" * 64, "references": ["pause:1"]}],
                "origin": "test",
            }
        },
    }
    (folder / "system").mkdir()
    for path in ("k3s", "system/pause.tar"):
        (folder / path).write_text(path)
    (folder / "bundle.json").write_text(json.dumps(listed))
    bundle = load(folder)
    args = K3sClusterArgs(
        name="a1-test",
        nodes=(node,),
        bundle=bundle,
    )
    return declare(lambda: K3sCluster("cluster", args).kubeconfig, answers=_Server())


def test_what_k3s_needs_is_there_before_it_is_installed(declared: dict[str, Declared]) -> None:
    assert set(declared["cluster-a1-k3s"].after) == {"cluster-a1-binary", "cluster-a1-images"}


def test_the_kubeconfig_is_read_after_every_installation(declared: dict[str, Declared]) -> None:
    read = declared["cluster-access"]
    assert "cluster-a1-k3s" in read.after
    assert "stdout" in read.secret_outputs


def test_destroying_the_installation_takes_the_cluster_along_in_one_act(
    declared: dict[str, Declared],
) -> None:
    assert declared["cluster-provider"].deleted_with == "cluster-a1-k3s"
    assert declared["cluster-access"].deleted_with == "cluster-a1-k3s"
    assert "revert" in declared["cluster-a1-k3s"].inputs["delete"]


def test_the_provider_is_bound_to_the_cluster_and_gives_up_in_time(declared: dict[str, Declared]) -> None:
    inputs = declared["cluster-provider"].inputs
    assert inputs["clusterIdentifier"] == "a1-test"
    assert "60" in str(inputs["kubeClientSettings"])


def test_the_provider_takes_the_rewritten_kubeconfig_as_a_secret(declared: dict[str, Declared]) -> None:
    provider = declared["cluster-provider"]
    assert "https://192.0.2.10:6443" in provider.inputs["kubeconfig"]
    assert "kubeconfig" in provider.secrets


def test_a_cluster_costs_six_connections(declared: dict[str, Declared]) -> None:
    assert sum(resource.type.startswith("command:remote:") for resource in declared.values()) == 6
