"""What `make down` takes for a node that cannot give back what is on it."""

from collections.abc import Sequence
from pathlib import Path

import paramiko
import pytest

from sandbox import reach
from sandbox.cache import Cache
from sandbox.engine import Engine
from sandbox.node import Node

_ENGINE = Engine("docker", "", "a test's", ours=True)
_NODES = [Node(name, "192.0.2.10", 22, "a1", Path("id"), "key") for name in ("a1", "b")]


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the nodes that run; all of them answer."""
    names: list[str] = []

    def listed(_: Engine, *arguments: str) -> str:
        return "\n".join(name for name in names if f"label=a1.node={name}" in arguments)

    monkeypatch.setattr(reach, "find_engine", lambda _: _ENGINE)
    monkeypatch.setattr(reach, "nodes", lambda _: _NODES)
    monkeypatch.setattr(Engine, "run", listed)
    monkeypatch.setattr(Node, "connect", lambda _: paramiko.SSHClient())
    return names


@pytest.mark.parametrize(
    ("names", "why"),
    [([], "the machine is gone"), (["b"], "the machine is gone"), (["a1", "b"], "")],
)
def test_the_node_of_the_sandbox_is_asked_for_by_name(
    running: list[str], names: Sequence[str], why: str, tmp_path: Path
) -> None:
    running[:] = names
    assert reach.out_of_reach(Cache(tmp_path)) == why


def test_a_node_is_gone_with_its_engine(
    running: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    running[:] = ["a1"]
    monkeypatch.setattr(reach, "find_engine", lambda _: None)
    assert reach.out_of_reach(Cache(tmp_path)) == "the machine is gone"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (FileNotFoundError(2, "No such file or directory", "id_ed25519"), "id_ed25519"),
        (paramiko.AuthenticationException("Authentication failed."), "Authentication failed."),
        # It is paused: the kernel takes the connection, and nobody speaks.
        (paramiko.SSHException("Error reading SSH protocol banner"), "protocol banner"),
        (EOFError(), "EOFError"),
    ],
)
def test_a_node_that_lets_nobody_in_is_out_of_reach_and_the_line_says_why(
    running: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, words: str
) -> None:
    def connect(_: Node) -> None:
        raise error

    running[:] = ["a1"]
    monkeypatch.setattr(Node, "connect", connect)
    why = reach.out_of_reach(Cache(tmp_path))
    assert why.startswith("node a1 does not answer over SSH (")
    assert words in why
