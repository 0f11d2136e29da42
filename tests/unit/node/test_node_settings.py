"""What a stack may say about its nodes, and how it is told what is wrong."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko
import pytest
from pydantic import TypeAdapter, ValidationError

from a1platform.settings import problems
from a1platform.settings.node import READ_KEYS, HardeningSettings, NodeSettings, fingerprint, private_key
from a1platform.settings.nodes import Nodes
from a1platform.settings.peers import Peers, peers
from tests.unit.node.conftest import HOST_KEY

Entry = Callable[..., dict[str, Any]]
_NODES: TypeAdapter[tuple[NodeSettings, ...]] = TypeAdapter(Nodes)


def _told(error: ValidationError, *root: str) -> str:
    return "\n".join(problems.lines(error, NodeSettings, *root))


def test_a_node_has_the_defaults_of_ssh(node: Entry) -> None:
    settings = NodeSettings.model_validate(node())
    assert (settings.user, settings.port, settings.role) == ("root", 22, "server")


@pytest.mark.parametrize("host", ["a1", "a1.example.org.", "my_host", "2001:db8::1", "127.0.0.1", "A-1.b"])
def test_a_host_is_a_name_or_an_address(node: Entry, host: str) -> None:
    assert NodeSettings.model_validate(node(host=host)).host == host


def test_the_comment_of_a_host_key_is_dropped(node: Entry) -> None:
    entry = node()
    assert (
        NodeSettings.model_validate(node(hostKey=f"{entry['hostKey']} root@a1")).host_key == entry["hostKey"]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hostKey": None}, "hostKey: found nothing, expected a value"),
        ({"hostKey": "ssh-ed25519"}, "expected one key in authorized_keys format"),
        ({"hostKey": "ssh-ed25519 !!!!"}, "not base64"),
        ({"hostKey": "ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAAB"}, "not of type ssh-ed25519"),
        (
            {"hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtr"},
            "found a damaged ssh-ed25519 key, expected",
        ),
        ({"hostKey": HOST_KEY[:-4]}, "found a damaged ssh-ed25519 key, expected one key in"),
        ({"hostKey": "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB"}, "found a damaged ssh-rsa key, expected one key in"),
        ({"hostKey": "ssh-dss AAAA"}, "expected one key in authorized_keys format"),
        ({"privateKeyFile": "/nowhere/id"}, "found '/nowhere/id' (No such file or directory), expected"),
        (
            {"privateKeyFile": "keys/id"},
            "found 'keys/id', expected an absolute path or one that starts with ~",
        ),
        ({"privateKeyFile": "/etc/hostname"}, "without a private key"),
        ({"name": "Node_1"}, "found 'Node_1', expected at most 63 lower-case letters"),
        ({"port": 70000}, "port"),
        ({"role": "worker"}, "'server' or 'agent'"),
        ({"address": "a1.example"}, "found 'a1.example', expected an IPv4 address"),
        ({"address": "fe80::1%eth0"}, "expected an address that other machines reach the host by"),
        ({"address": "::"}, "expected an address that other machines reach the host by"),
        ({"address": "127.0.0.1"}, "expected an address that other machines reach the host by"),
        ({"address": "255.255.255.255"}, "expected an address that other machines reach the host by"),
        ({"host": "300.1.1.1"}, "found '300.1.1.1', expected a name or an address"),
        ({"host": "0.0.0.0"}, "found '0.0.0.0', expected a name or an address"),  # noqa: S104 - what is refused
        ({"host": "::"}, "found '::', expected a name or an address"),
        ({"host": "a..b"}, "found 'a..b', expected a name or an address such as 'a1.example.org'"),
        ({"host": f"{'a' * 64}.org"}, "expected a name or an address such as 'a1.example.org'"),
        ({"host": ".".join(["a" * 63] * 4)}, "expected a name or an address such as 'a1.example.org'"),
        ({"host": "a1.example.org:2222"}, "user and port are keys of their own"),
        ({"host": "root@a1.example.org"}, "user and port are keys of their own"),
        ({"host": "-a"}, "found '-a', expected a name"),
        ({"host": ""}, "found '', expected a name"),
        ({"host": "a\n"}, "expected a name"),
        ({"colour": "red"}, "colour: found an unknown key"),
    ],
)
def test_a_node_that_cannot_work_is_refused_with_what_was_found(
    node: Entry, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        NodeSettings.model_validate(node(**changes), context=READ_KEYS)
    assert message in _told(caught.value)


def test_all_problems_of_a_node_are_named_at_once(node: Entry) -> None:
    with pytest.raises(ValidationError) as caught:
        NodeSettings.model_validate(node(hostKey="x", privateKeyFile="y", port=0))
    assert _told(caught.value, "nodes", "0").count("\n") == 2


def test_a_key_with_a_passphrase_is_refused_as_nobody_could_type_it(node: Entry, tmp_path: Path) -> None:
    key = tmp_path / "locked"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key), password="secret")  # noqa: S106 - a test's own
    with pytest.raises(ValidationError, match="with a passphrase, expected a key without one"):
        NodeSettings.model_validate(node(privateKeyFile=str(key)), context=READ_KEYS)


def test_a_key_is_read_only_when_something_connects(node: Entry) -> None:
    entry = node(privateKeyFile="/nowhere/id")
    settings = NodeSettings.model_validate(entry)
    with pytest.raises(ValueError, match=r"found '/nowhere/id' \(No such file or directory\)"):
        private_key(settings.private_key_file)
    with pytest.raises(ValidationError, match="expected a readable private key file"):
        NodeSettings.model_validate(entry, context=READ_KEYS)


def test_the_home_of_a_key_is_whoever_runs_the_program(
    node: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = NodeSettings.model_validate(node(privateKeyFile="~/id"), context=READ_KEYS)
    assert settings.model_dump(mode="json", by_alias=True)["privateKeyFile"] == "~/id"
    assert "PRIVATE KEY" in private_key(settings.private_key_file)


def test_a_fingerprint_is_the_one_that_ssh_keygen_prints(node: Entry, tmp_path: Path) -> None:
    key = tmp_path / "id"
    key.write_text(f"{node()['hostKey']} comment\n")
    try:
        printed = subprocess.run(
            ["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True
        ).stdout
    except FileNotFoundError:
        pytest.skip("ssh-keygen is not installed")
    assert fingerprint(node()["hostKey"]) in printed


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [{}, {"host": "192.0.2.11"}, {"host": "192.0.2.12"}],
            "[1].name: found 'a1', which nodes[0] has too, expected another one",
        ),
        (
            [{}, {"name": "b", "role": "agent"}],
            "[1].host: found '192.0.2.10' port 22, which nodes[0] has too",
        ),
        ([{"role": "agent"}], "found 0 nodes with role 'server', expected an odd number"),
        ([{}, {"name": "b", "host": "192.0.2.11"}], "found 2 nodes with role 'server'"),
        (
            [{"host": "a"}, {"name": "b", "host": "192.0.2.11", "role": "agent"}],
            "[0].address: found none",
        ),
    ],
)
def test_nodes_that_do_not_go_together_are_refused(
    node: Entry, nodes: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        _NODES.validate_python([node(**changes) for changes in nodes])
    assert message in _told(caught.value)


def test_no_nodes_are_valid_as_the_sandbox_is_the_node_then() -> None:
    assert _NODES.validate_python([]) == ()


def test_peers_are_the_other_nodes_by_their_own_addresses(node: Entry) -> None:
    nodes = _NODES.validate_python(
        [node(), node(name="b", host="b.example", address="192.0.2.11", role="agent")]
    )
    assert peers(nodes[0], nodes).nodes == ("192.0.2.11",)


def test_only_servers_are_the_peers_of_an_etcd(node: Entry) -> None:
    others = [(name, f"192.0.2.{last}") for name, last in (("b", 11), ("c", 12), ("d", 13))]
    roles = {"d": "agent"}
    nodes = _NODES.validate_python(
        [node(), *(node(name=name, host=host, role=roles.get(name, "server")) for name, host in others)]
    )
    assert peers(nodes[1], nodes).servers == (nodes[0].host, "192.0.2.12")
    assert peers(nodes[3], nodes) == Peers((nodes[0].host, "192.0.2.11", "192.0.2.12"), ())


def test_a_concern_is_switched_off_with_a_reason_only() -> None:
    with pytest.raises(ValidationError, match="expected reason: <why this concern is off>"):
        HardeningSettings.model_validate({"sshd": {"enabled": False}})
    HardeningSettings.model_validate(
        {"sshd": {"enabled": False, "reason": "managed by the company's own role"}}
    )
