"""The component `HardenedNode` and the SSH wrapper against the recording engine."""

import base64
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest

from a1platform.node.component import HardenedNode, HardenedNodeArgs
from a1platform.node.ssh import remote_files, remote_script
from a1platform.node.upload import Upload
from a1platform.settings.node import NodeSettings
from tests.components.conftest import Declared

Declare = Callable[..., dict[str, Declared]]
_COMMANDS = ("a1-preflight", "a1-hardening", "a1-confirmation")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> NodeSettings:
    key = tmp_path_factory.mktemp("ssh") / "id"
    key.write_text("-----BEGIN PRIVATE KEY-----\nprivate-part\n-----END PRIVATE KEY-----\n")
    public = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32).decode()
    return NodeSettings.model_validate(
        {
            "name": "a1",
            "host": "192.0.2.10",
            "user": "ops",
            "privateKeyFile": key,
            "hostKey": f"ssh-ed25519 {public}",
        }
    )


@pytest.fixture(scope="module")
def declared(declare: Declare, node: NodeSettings) -> dict[str, Declared]:
    return declare(lambda: HardenedNode("a1", HardenedNodeArgs(node)).ready)


def test_the_preflight_comes_first_and_the_confirmation_last(declared: dict[str, Declared]) -> None:
    assert "a1-preflight" in declared["a1-leftovers"].after
    assert declared["a1-confirmation"].after == ("a1-hardening",)


def test_three_connections_harden_a_node(declared: dict[str, Declared]) -> None:
    commands = {name for name, resource in declared.items() if "create" in resource.inputs}
    assert commands == set(_COMMANDS)


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_keeps_the_rules_of_the_wrapper(
    declared: dict[str, Declared], node: NodeSettings, name: str
) -> None:
    command = declared[name]
    assert command.inputs["connection"]["hostKey"] == node.host_key
    assert command.inputs["connection"]["dialErrorLimit"] == 3
    assert command.inputs["logging"] == "none"
    assert command.inputs["addPreviousOutputInEnv"] is False
    assert command.inputs["update"] == command.inputs["create"]
    assert "triggers" not in command.inputs
    assert {"stdin", "connection"} <= command.secrets
    assert {"stdout", "stderr"} <= set(command.secret_outputs)
    assert command.parent == "a1"


def test_a_preview_needs_nobodys_key(declare: Declare, node: NodeSettings) -> None:
    elsewhere = node.model_copy(update={"private_key_file": Path("/nowhere/id")})
    shown = declare(lambda: HardenedNode("a1", HardenedNodeArgs(elsewhere)).ready, preview=True)
    assert shown["a1-preflight"].inputs["connection"]["privateKey"] == ""
    assert "connection" in shown["a1-preflight"].secrets


def test_neither_the_script_nor_the_key_is_part_of_a_command_line(declared: dict[str, Declared]) -> None:
    for name in _COMMANDS:
        assert declared[name].inputs["create"].startswith("sudo -n bash -s --")
        assert len(declared[name].inputs["create"]) < 80
        assert "private-part" not in declared[name].inputs["create"] + declared[name].inputs["stdin"]


def test_the_host_is_given_back_on_destroy_once_everything_else_is_gone(
    declared: dict[str, Declared],
) -> None:
    assert declared["a1-leftovers"].inputs["delete"] == "sudo -n bash -s --"
    assert all("delete" not in declared[name].inputs for name in _COMMANDS)
    assert declared["a1-leftovers"].after == ("a1-preflight",)
    assert declared["a1-hardening"].after == ("a1-leftovers",)


def test_what_gives_the_host_back_costs_no_connection_before(declared: dict[str, Declared]) -> None:
    assert {"create", "update"}.isdisjoint(declared["a1-leftovers"].inputs)


def test_a_preview_without_a_node_declares_the_same(declare: Declare, node: NodeSettings) -> None:
    found = declare(lambda: HardenedNode("a1", HardenedNodeArgs(node)).ready, preview=True)
    assert set(found) >= {"a1", *_COMMANDS}


def test_a_changed_script_changes_the_command_in_place(declare: Declare, node: NodeSettings) -> None:
    scripts = ("echo one", "echo two")
    first, second = (declare(lambda s=s: remote_script("x", node, s).stdout)["x"] for s in scripts)
    assert first.inputs["create"] != second.inputs["create"]


def test_a_secret_in_a_script_stays_secret(declare: Declare, node: NodeSettings) -> None:
    script = pulumi.Output.secret("echo token-value")
    command = declare(lambda: remote_script("x", node, script).stdout)["x"]
    assert "token-value" in command.inputs["stdin"]
    assert "stdin" in command.secrets
    assert "token-value" not in command.inputs["create"]


def test_an_upload_waits_for_its_copy_and_names_the_digest(
    declare: Declare, node: NodeSettings, tmp_path: Path
) -> None:
    (tmp_path / "k3s").write_text("binary")
    upload = Upload("k3s", "0" * 64, "/usr/local/bin/k3s", "0755")
    found = declare(lambda: remote_files("k3s", node, tmp_path / "k3s", [upload]).stdout)
    assert found["k3s"].after == ("k3s-copy",)
    assert f"{'0' * 64} 0755 /usr/local/bin/k3s k3s" in found["k3s"].inputs["stdin"]


def test_an_upload_without_a_source_is_refused_before_anything_is_declared(
    node: NodeSettings, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="expected a file or folder"):
        remote_files("k3s", node, tmp_path / "missing", [])
