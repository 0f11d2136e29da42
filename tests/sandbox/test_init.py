"""`a1 init` against a machine: the key that it shows, and what its preflight finds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from a1platform.cli.main import app
from a1platform.settings.node import fingerprint
from sandbox.node import Node
from tests.unit.node.conftest import HOST_KEY

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def node(start_node: Callable[[str], Node]) -> Node:
    return start_node("init")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The configuration of a clone that asks of a machine no more than this one has."""
    (tmp_path / "Pulumi.yaml").write_text("name: a1platform\n")
    path = tmp_path / "Pulumi.a1.yaml"
    _write(path, vcpus=1, memoryMib=1024, diskMib=1024, clockSynchronised=False)
    return path


def _write(path: Path, **preflight: object) -> None:
    # Without services, which have to fit in what is asked of a machine.
    config = {"a1platform:preflight": preflight, "a1platform:services": {"enabled": False}}
    path.write_text(yaml.safe_dump({"config": config}))


def _init(node: Node, file: Path, *words: str, answer: str = "") -> Result:
    options = ("--port", str(node.port), "--user", node.user, "--key", str(node.private_key))
    return CliRunner().invoke(
        app, ["init", node.address, *options, "--folder", str(file.parent), *words], input=answer
    )


def _nodes(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(file.read_text())["config"].get("a1platform:nodes", [])
    return found


def test_the_key_that_the_machine_shows_is_pinned_once_it_is_confirmed(node: Node, file: Path) -> None:
    done = _init(node, file, answer="y\n")
    assert done.exit_code == 0, done.output
    assert f"shows ssh-ed25519 {fingerprint(node.host_key)}" in " ".join(done.output.split())
    (written,) = _nodes(file)
    assert written["hostKey"].split()[:2] == node.host_key.split()[:2]
    assert (written["host"], written["user"]) == (node.address, node.user)
    assert "a1: Debian" in done.output or "a1: debian" in done.output


def test_a_fingerprint_that_is_given_is_that_of_the_machine_or_nothing_is_written(
    node: Node, file: Path
) -> None:
    before = file.read_text()
    refused = _init(node, file, "--fingerprint", fingerprint(HOST_KEY))
    assert refused.exit_code == 1
    assert "nothing was sent to the host" in " ".join(refused.output.split())
    assert file.read_text() == before
    assert _init(node, file, "--fingerprint", fingerprint(node.host_key)).exit_code == 0
    assert len(_nodes(file)) == 1


def test_a_machine_that_is_too_small_is_told_by_its_preflight_and_not_written(node: Node, file: Path) -> None:
    _write(file, vcpus=4096, memoryMib=1024, diskMib=1024, clockSynchronised=False)
    before = file.read_text()
    done = _init(node, file, "--yes")
    assert done.exit_code == 1
    assert "4096" in done.output
    assert file.read_text() == before
