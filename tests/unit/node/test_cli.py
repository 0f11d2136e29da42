"""`a1 init` and `a1 audit` where no host answers, and the stack's file that they share."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

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
        "encryptionsalt: v1:x\nconfig:\n  a1platform:hardening: {kernel: shared}\n  other:key: 1\n"
    )
    StackFile(path).put_node(NodeSettings.model_validate(node()))
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
        StackFile(path).put_node(NodeSettings.model_validate(node(host=host)))
    assert [entry.host for entry in StackFile(path).nodes()] == ["192.0.2.11"]


def test_nodes_that_do_not_go_together_are_not_written(node: Entry, tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.a1.yaml"
    StackFile(path).put_node(NodeSettings.model_validate(node()))
    before = path.read_text()
    with pytest.raises(StackFileError, match="found 2 nodes with role 'server'"):
        StackFile(path).put_node(NodeSettings.model_validate(node(name="b", host="192.0.2.11")))
    assert path.read_text() == before


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


def test_an_audit_without_nodes_says_how_to_get_one(tmp_path: Path) -> None:
    answer = _RUNNER.invoke(app, ["audit", "--folder", str(tmp_path)])
    assert answer.exit_code == 2
    assert "a1 init HOST" in answer.output


def test_init_of_a_host_that_does_not_answer_writes_nothing(tmp_path: Path, closed_port: int) -> None:
    answer = _RUNNER.invoke(app, ["init", "127.0.0.1", "--port", str(closed_port), "--folder", str(tmp_path)])
    assert answer.exit_code == 1
    assert f"127.0.0.1 port {closed_port}" in answer.output
    assert list(tmp_path.iterdir()) == []
