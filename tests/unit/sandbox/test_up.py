"""What `make up` and `make down` ask first, and do about a node and a state that do not match."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from a1platform.bundle import BundleError
from sandbox import chosen, prepare, up
from sandbox.cache import Cache
from sandbox.engine import Engine
from sandbox.fitness import UnfitError
from sandbox.node import Node
from sandbox.progress import Progress
from sandbox.pulumi import PulumiError, Stack
from sandbox.stack_outputs import kubeconfig_file

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
    monkeypatch.setattr(up, "engine_with_nodes", lambda *_: made.engine)
    monkeypatch.setattr(up, "stop", lambda _, name: made.done.append(f"remove {name}"))
    monkeypatch.setattr(up, "stop_engine", lambda *_: made.done.append("stop the engine"))
    monkeypatch.setattr(up, "_forget", lambda *_: made.done.append("forget"))
    return made


@pytest.mark.parametrize(
    ("names", "known", "done"),
    [
        ([], False, []),
        # The only node that anything runs on.
        (["a1"], True, []),
        ([], True, ["forget"]),
        # What is on it was installed by a state that is gone: Helm would refuse its own releases.
        (["a1"], False, ["remove a1"]),
        (["by-hand"], False, []),
        # What somebody has started beside it does not stand in for the node of the state.
        (["by-hand"], True, ["forget"]),
        (["a1", "by-hand"], True, []),
    ],
)
def test_a_node_and_a_state_stay_together_only(
    machine: _Machine, names: Sequence[str], done: Sequence[str], *, known: bool
) -> None:
    machine.names, machine.known = names, known
    carries = up._agree(Stack(chosen.SANDBOX, {}), _ENGINE, lambda _: None)
    assert machine.done == done
    assert carries == (known and "a1" in names)


@pytest.mark.parametrize(("names", "left"), [([], False), (["b"], False), (["a1"], True)])
def test_nobody_asks_the_cluster_of_a_node_that_is_gone(
    machine: _Machine, names: Sequence[str], *, left: bool
) -> None:
    machine.names, machine.known = names, True
    kubeconfig = kubeconfig_file(chosen.SANDBOX)
    kubeconfig.touch()
    up._agree(Stack(chosen.SANDBOX, {}), _ENGINE, lambda _: None)
    assert kubeconfig.exists() == left


@pytest.mark.parametrize(
    ("silent", "done"),
    [
        ([""], ["destroy"]),
        (["the machine is gone"], ["forget"]),
        # Its sshd is dead, it is paused, or its keys are lost.
        (["node a1 does not answer over SSH"], ["forget"]),
        # From the middle of the run on.
        (["", "node a1 does not answer over SSH"], ["destroy", "forget"]),
    ],
)
def test_down_forgets_what_is_on_a_node_of_ours_that_cannot_be_asked_any_more(
    machine: _Machine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    silent: Sequence[str],
    done: Sequence[str],
) -> None:
    _destroying(machine, monkeypatch, silent, fails=len(silent) > 1)
    up._destroy_sandbox(Stack(chosen.SANDBOX, {}), Cache(tmp_path), lambda _: None)
    assert machine.done == done


def test_down_forgets_nothing_of_a_node_that_answers(
    machine: _Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _destroying(machine, monkeypatch, ["", ""], fails=True)
    with pytest.raises(PulumiError):
        up._destroy_sandbox(Stack(chosen.SANDBOX, {}), Cache(tmp_path), lambda _: None)
    assert machine.done == ["destroy"]


def _destroying(
    machine: _Machine, monkeypatch: pytest.MonkeyPatch, silent: Sequence[str], *, fails: bool
) -> None:
    said = iter(silent)

    def destroy(_: Stack, __: Progress) -> None:
        machine.done.append("destroy")
        if fails:
            raise PulumiError("pulumi destroy ended with 255")

    monkeypatch.setattr(up, "out_of_reach", lambda _: next(said))
    monkeypatch.setattr(up, "_destroy", destroy)


def test_smoke_says_that_nothing_is_deployed_before_pulumi_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def ensure(*_: object, **__: object) -> None:
        pytest.fail("the toolchain is made")

    monkeypatch.setattr(up, "ensure", ensure)
    monkeypatch.setenv("A1_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("A1_SANDBOX", "1")
    with pytest.raises(PulumiError, match="found no stack sandbox, expected one: run `make up` first"):
        up.smoke(Cache(tmp_path / "cache"), lambda _: None)


def test_down_ends_an_engine_that_does_not_answer_any_more(machine: _Machine, tmp_path: Path) -> None:
    machine.engine = None
    up._stop_sandbox(Cache(tmp_path), lambda _: None)
    assert machine.done == ["stop the engine"]


def test_down_removes_every_node_before_it_stops_the_engine(machine: _Machine, tmp_path: Path) -> None:
    machine.names = ["a1", "by-hand"]
    up._stop_sandbox(Cache(tmp_path), lambda _: None)
    assert machine.done == ["remove a1", "remove by-hand", "stop the engine"]


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder of stacks."""
    monkeypatch.setenv("A1_STATE", str(tmp_path))
    folder = tmp_path / "stacks" / ".pulumi" / "stacks" / "a1platform"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("configured", "other", "line"),
    [(True, "sandbox", "A1_SANDBOX=1 make down"), (False, "a1", "no longer names its machines")],
)
def test_what_a_command_leaves_alone_is_told(
    stacks: Path, other: str, line: str, *, configured: bool
) -> None:
    assert chosen.left_alone(configured=configured) == ""
    (stacks / f"{other}.json").touch()
    assert line in chosen.left_alone(configured=configured)


def test_who_asks_for_the_sandbox_knows_of_the_machines(
    stacks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stacks / "a1.json").touch()
    monkeypatch.setenv("A1_SANDBOX", "1")
    assert chosen.left_alone(configured=False) == ""


@pytest.fixture
def toolchain(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is noted when the toolchain is asked for, which ends the run there."""
    asked: list[str] = []

    def ensure(*_: object, patient: bool, bundle: object) -> None:
        assert bundle is None
        asked.append("toolchain, however long it takes" if patient else "toolchain")
        raise RuntimeError("asked for the toolchain")

    monkeypatch.setattr(up, "ensure", ensure)
    monkeypatch.setattr(up, "end_delivery", lambda: None)
    return asked


@pytest.mark.parametrize("configured", [True, False])
def test_what_the_toolchain_lacks_comes_from_the_configured_bundle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, configured: bool
) -> None:
    given: list[tuple[object, bool]] = []

    def ensure(*_: object, patient: bool, bundle: object) -> None:
        given.append((bundle, patient))
        raise RuntimeError("asked for the toolchain")

    monkeypatch.setattr(up, "ensure", ensure)
    monkeypatch.setattr(
        chosen, "bundle", lambda *, destroys: "the bundle, which may be gone" if destroys else "it"
    )
    for destroys in (False, True):
        with pytest.raises(RuntimeError, match="asked for the toolchain"):
            up._stack(Cache(tmp_path), lambda _: None, configured=configured, destroys=destroys)
    assert given == [("it", configured), ("the bundle, which may be gone", configured)]


def test_down_builds_no_toolchain_where_no_up_has_come_that_far(
    machine: _Machine, toolchain: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(chosen, "is_configured", lambda **_: False)
    machine.names = ["by-hand"]
    up.down(Cache(tmp_path), lambda _: None)
    assert machine.done == ["remove by-hand", "stop the engine"]
    assert toolchain == []


def test_down_asks_pulumi_where_there_is_a_state(
    toolchain: list[str], machine: _Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(chosen, "is_configured", lambda **_: False)
    state = tmp_path / "state" / "stacks" / ".pulumi" / "stacks" / "a1platform" / "sandbox.json"
    state.parent.mkdir(parents=True)
    state.touch()
    with pytest.raises(RuntimeError, match="asked for the toolchain"):
        up.down(Cache(tmp_path), lambda _: None)
    assert (toolchain, machine.done) == (["toolchain"], [])


def test_parts_are_not_passed_over_where_machines_are_configured(
    toolchain: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(chosen, "is_configured", lambda **_: True)
    with pytest.raises(BundleError, match=r"found PARTS=keda,.*`platform.<part>.enabled`.*A1_SANDBOX=1"):
        up.up(Cache(tmp_path), lambda _: None, ["keda"])
    assert toolchain == []


def test_a_machine_that_no_sandbox_can_be_made_on_is_told_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unfit(_: Cache, parts: Sequence[str]) -> None:
        raise UnfitError(f"found Fedora Linux 40, for {parts}")

    def made(*_: object, **__: object) -> None:
        pytest.fail("something is asked for that takes its time")

    monkeypatch.setattr(chosen, "is_configured", lambda **_: False)
    monkeypatch.setattr(up, "require_fit", unfit)
    for name in ("require_capacity", "ensure_git", "ensure_compiler", "both", "ensure_engine"):
        monkeypatch.setattr(up, name, made)
    with pytest.raises(UnfitError, match=r"found Fedora Linux 40, for \['keda'\]"):
        up.up(Cache(tmp_path), lambda _: None, ["keda"])


def test_which_parts_are_ready_is_found_out_once_for_the_fitness_and_for_what_has_to_be_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def ready(_: Cache, parts: Sequence[str]) -> tuple[list[str], list[str]]:
        asked.append(f"parts {', '.join(parts)}")
        return ["system"], ["keda"]

    def tools(*_: object) -> None:
        raise RuntimeError("asked for the toolchain")

    for name in ("require_engine", "held_k3s", "require_debian", "require_image"):
        monkeypatch.setattr(prepare, name, lambda *_: None)
    monkeypatch.setattr(prepare, "ready_parts", ready)
    monkeypatch.setattr(chosen, "is_configured", lambda **_: False)
    monkeypatch.setattr(chosen, "bundle", lambda: None)
    monkeypatch.setattr(up, "_tell_of_sandbox", lambda _: None)
    monkeypatch.setattr(up, "require_capacity", lambda _: None)
    monkeypatch.setattr(up, "ensure_compiler", lambda _: asked.append("compiler"))
    monkeypatch.setattr(up, "both", tools)
    with pytest.raises(RuntimeError, match="asked for the toolchain"):
        up.up(Cache(tmp_path), lambda _: None, ["keda"])
    assert asked == ["parts keda", "compiler"]


@pytest.mark.parametrize(
    ("configured", "asked"), [(True, "toolchain, however long it takes"), (False, "toolchain")]
)
def test_test_equipment_acts_on_machines_of_ones_own_only_where_the_official_was_waited_for(
    toolchain: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: str, *, configured: bool
) -> None:
    monkeypatch.setattr(chosen, "is_configured", lambda **_: configured)
    monkeypatch.setenv("A1_STATE", str(tmp_path / "state"))
    state = tmp_path / "state" / "stacks" / ".pulumi" / "stacks" / "a1platform"
    state.mkdir(parents=True)
    (state / f"{chosen.stack_name(configured=configured)}.json").touch()
    for command in (up.preview, up.smoke):
        with pytest.raises(RuntimeError, match="asked for the toolchain"):
            command(Cache(tmp_path), lambda _: None)
    assert toolchain == [asked, asked]


class _Told(Stack):
    """A stack that has told its outputs."""

    def outputs(self) -> dict[str, object]:
        parts = {
            "keda": "upstream manifests",
            "argo-cd": "left out: not built: go: no answer\nline 2",
            "mcp-services": "left out: switched off in the settings",
        }
        return {"kubeconfig": "a cluster's", "parts": parts, "services": ()}


def test_every_part_is_told_in_one_line_with_what_it_is_made_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("A1_STATE", str(tmp_path))
    listed = {name: {"origin": "this repository"} for name in ("system", "mcp-services", "keda")}
    (tmp_path / "bundle.json").write_text(json.dumps({"schema": 1, "parts": listed}))
    said: list[str] = []
    up._tell(_Told("sandbox", {}), said.append, tmp_path)
    assert said[:-1] == [
        "argo-cd: left out: not built: go: no answer ...",
        "keda: upstream manifests",
        "mcp-services: left out: switched off in the settings",
        "system: this repository",
    ]
    assert said[-1].startswith("cluster: export KUBECONFIG=")
