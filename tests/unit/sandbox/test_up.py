"""What `make up` and `make down` do about a node and a state that do not know of each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandbox import chosen, up
from sandbox.cache import Cache
from sandbox.engine import Engine
from sandbox.node import Node
from sandbox.pulumi import Stack

_ENGINE = Engine("docker", "", "a test's", ours=True)


@dataclass
class _Machine:
    """This machine, as far as `up` and `down` ask and change it.

    Attributes:
        names: The nodes that are there.
        known: Whether there is a stack.
        engine: What answers.
        done: What was done, in order.
    """

    names: Sequence[str] = ()
    known: bool = False
    engine: Engine | None = _ENGINE
    done: list[str] = field(default_factory=list)

    def nodes(self, _: Engine) -> list[Node]:
        return [Node(name, "192.0.2.10", 22, "a1", Path("id"), "key") for name in self.names]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> _Machine:
    made = _Machine()
    monkeypatch.setenv("A1_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(Stack, "exists", lambda _: made.known)
    monkeypatch.setattr(up, "nodes", made.nodes)
    monkeypatch.setattr(up, "find_engine", lambda _: made.engine)
    monkeypatch.setattr(up, "stop", lambda _, name: made.done.append(f"remove {name}"))
    monkeypatch.setattr(up, "stop_engine", lambda *_: made.done.append("stop the engine"))
    monkeypatch.setattr(up, "_forget", lambda *_: made.done.append("forget"))
    return made


@pytest.mark.parametrize(
    ("names", "known", "done"),
    [
        ([], False, []),
        (["a1"], True, []),
        ([], True, ["forget"]),
        # What is on it was installed by a state that is gone: Helm would refuse its own releases.
        (["a1"], False, ["remove a1"]),
        (["by-hand"], False, []),
    ],
)
def test_a_node_and_a_state_stay_together_only(
    machine: _Machine, names: Sequence[str], done: Sequence[str], *, known: bool
) -> None:
    machine.names, machine.known = names, known
    up._agree(Stack(chosen.SANDBOX, {}), _ENGINE, lambda _: None)
    assert machine.done == done


def test_down_ends_an_engine_that_does_not_answer_any_more(machine: _Machine, tmp_path: Path) -> None:
    machine.engine = None
    up._stop_sandbox(Cache(tmp_path), lambda _: None)
    assert machine.done == ["stop the engine"]


def test_down_removes_every_node_before_it_stops_the_engine(machine: _Machine, tmp_path: Path) -> None:
    machine.names = ["a1", "by-hand"]
    up._stop_sandbox(Cache(tmp_path), lambda _: None)
    assert machine.done == ["remove a1", "remove by-hand", "stop the engine"]


@pytest.mark.parametrize(
    ("configured", "line"), [(True, "A1_SANDBOX=1 make down"), (False, "no longer names")]
)
def test_what_a_command_leaves_alone_is_told(machine: _Machine, line: str, *, configured: bool) -> None:
    assert chosen.left_alone({}, configured=configured) == ""
    machine.known = True
    assert line in chosen.left_alone({}, configured=configured)


def test_who_asks_for_the_sandbox_knows_of_the_machines(
    machine: _Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.known = True
    monkeypatch.setenv("A1_SANDBOX", "1")
    assert chosen.left_alone({}, configured=False) == ""
