"""`a1 init` and `a1 audit` where no host answers, and the stack's file that they share."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko
import pytest
import yaml
from typer.testing import CliRunner

from a1platform.cli.init import _names
from a1platform.cli.main import app
from a1platform.cli.stack_file import StackFile, StackFileError
from a1platform.naming import PROJECT
from a1platform.settings.node import NodeSettings

Entry = Callable[..., dict[str, Any]]
_RUNNER = CliRunner()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_node_is_written_without_losing_what_is_there(node: Entry, tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.a1.yaml"
    path.write_text(
        "encryptionsalt: v1:x\nconfig:\n  a1platform:hardening: {kernel: shared}\n"
        "  a1platform:k3s: {extraConfig: {protect-kernel-defaults: false}}\n  other:key: 1\n"
    )
    StackFile(path).put_nodes([NodeSettings.model_validate(node())])
    content = yaml.safe_load(path.read_text())
    assert content["encryptionsalt"] == "v1:x"
    assert content["config"]["other:key"] == 1
    assert content["config"]["a1platform:nodes"] == [node()]
    assert StackFile(path).nodes()[0].host == "192.0.2.10"
    assert StackFile(path).hardening().kernel == "shared"


def test_the_keys_are_those_of_the_project_that_pulumi_reads() -> None:
    project = yaml.safe_load((Path(__file__).parents[3] / "Pulumi.yaml").read_text())
    assert project["name"] == PROJECT


def test_a_node_of_the_same_name_is_replaced(node: Entry, tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.a1.yaml"
    for host in ("192.0.2.10", "192.0.2.11"):
        StackFile(path).put_nodes([NodeSettings.model_validate(node(host=host))])
    assert [entry.host for entry in StackFile(path).nodes()] == ["192.0.2.11"]


def test_nodes_that_do_not_go_together_are_not_written(node: Entry, tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.a1.yaml"
    StackFile(path).put_nodes([NodeSettings.model_validate(node())])
    before = path.read_text()
    with pytest.raises(StackFileError, match="found 2 nodes with role 'server'"):
        StackFile(path).put_nodes([NodeSettings.model_validate(node(name="b", host="192.0.2.11"))])
    assert path.read_text() == before


def test_three_servers_are_written_together(node: Entry, tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.a1.yaml"
    servers = [node(name=f"a{number}", host=f"192.0.2.{number}") for number in (1, 2, 3)]
    StackFile(path).put_nodes(map(NodeSettings.model_validate, servers))
    assert [entry.name for entry in StackFile(path).nodes()] == ["a1", "a2", "a3"]


def test_comments_and_quotes_stay_as_they_were_written(node: Entry, tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.a1.yaml"
    text = "# ours\nconfig:\n  a1platform:preflight: {vcpus: 4} # a small one\n  other:key: 'x'\n"
    path.write_text(text)
    StackFile(path).put_nodes([NodeSettings.model_validate(node())])
    assert path.read_text().startswith(text)


@pytest.mark.parametrize(
    ("first", "names"),
    [("a1", ["a1", "a2", "a3"]), ("node-09", ["node-9", "node-10", "node-11"]), ("a", ["a1", "a2", "a3"])],
)
def test_names_of_several_nodes_count_up(first: str, names: list[str]) -> None:
    assert _names(first, 3) == names
    assert _names(first, 1) == [first]


def test_init_wants_a_fingerprint_for_each_machine_or_none(tmp_path: Path) -> None:
    words = ["init", "192.0.2.1", "192.0.2.2", "--fingerprint", "SHA256:x", "--folder", str(tmp_path)]
    answer = _RUNNER.invoke(app, words)
    assert answer.exit_code == 1
    assert "found 1, expected one for each of 2 machines" in answer.output


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.a1.yaml"
    path.write_text("config: [")
    with pytest.raises(StackFileError, match="found no YAML"):
        StackFile(path)


def test_a_host_that_does_not_answer_is_no_host_as_declared(
    node: Entry, tmp_path: Path, closed_port: int
) -> None:
    entry = node(host="127.0.0.1", port=closed_port)
    (tmp_path / "Pulumi.a1.yaml").write_text(yaml.safe_dump({"config": {"a1platform:nodes": [entry]}}))
    answer = _RUNNER.invoke(app, ["audit", "--folder", str(tmp_path), "--json"])
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["deviations"][0]["concern"] == "connection"


def test_an_audit_of_several_hosts_names_each_that_does_not_answer(
    node: Entry, tmp_path: Path, closed_port: int
) -> None:
    entries = [node(name=name, host="127.0.0.1", port=closed_port) for name in ("one", "two", "three")]
    addressed = [{**entry, "host": f"127.0.0.{index}"} for index, entry in enumerate(entries, 1)]
    (tmp_path / "Pulumi.a1.yaml").write_text(yaml.safe_dump({"config": {"a1platform:nodes": addressed}}))
    answer = _RUNNER.invoke(app, ["audit", "--folder", str(tmp_path), "--json"])
    assert answer.exit_code == 1
    assert [row["node"] for row in json.loads(answer.stdout)["deviations"]] == ["one", "two", "three"]


def test_an_audit_asks_no_host_that_is_gone(node: Entry, tmp_path: Path, closed_port: int) -> None:
    entries = [
        node(name="one", host="127.0.0.1", port=closed_port),
        node(name="two", host="127.0.0.2", port=closed_port, role="agent", isGone=True),
    ]
    (tmp_path / "Pulumi.a1.yaml").write_text(yaml.safe_dump({"config": {"a1platform:nodes": entries}}))
    answer = _RUNNER.invoke(app, ["audit", "--folder", str(tmp_path), "--json"])
    assert [row["node"] for row in json.loads(answer.stdout)["deviations"]] == ["one"]


def test_an_audit_with_a_parameter_that_nobody_knows_says_so(node: Entry, tmp_path: Path) -> None:
    skip = {"sysctl": {"skip": {"kernel.nonsense": "x"}}}
    config = {"a1platform:nodes": [node()], "a1platform:hardening": skip}
    (tmp_path / "Pulumi.a1.yaml").write_text(yaml.safe_dump({"config": config}))
    answer = _RUNNER.invoke(app, ["audit", "--folder", str(tmp_path)])
    assert answer.exit_code == 2
    assert "a1platform:hardening.sysctl.skip.kernel.nonsense: found a parameter that" in answer.output


def test_an_audit_without_nodes_says_how_to_get_one(tmp_path: Path) -> None:
    answer = _RUNNER.invoke(app, ["audit", "--folder", str(tmp_path)])
    assert answer.exit_code == 2
    assert "a1 init HOST" in answer.output


def test_init_of_a_host_that_does_not_answer_writes_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, closed_port: int
) -> None:
    key = tmp_path_factory.mktemp("ssh") / "id"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key))
    (tmp_path / "Pulumi.yaml").write_text("name: a1platform\n")
    words = ["init", "127.0.0.1", "--key", str(key), "--port", str(closed_port), "--folder", str(tmp_path)]
    answer = _RUNNER.invoke(app, words)
    assert answer.exit_code == 1
    assert f"127.0.0.1 port {closed_port}" in answer.output
    assert [path.name for path in tmp_path.iterdir()] == ["Pulumi.yaml"]
