"""Which stack `make up`, `down`, `preview` and `smoke` act on, and what must be there for each of them."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from a1platform.cli.stack_file import StackFileError
from a1platform.naming import PRODUCTION
from sandbox import chosen, up
from sandbox.cache import Cache
from sandbox.pulumi import PulumiError, Stack, state_file
from tests.unit.node.conftest import HOST_KEY

ROOT = Path(__file__).parents[3]
_NODE = {"name": "a1", "host": "192.0.2.10", "privateKeyFile": "/nowhere/id", "hostKey": HOST_KEY}


class _File:
    """The `Pulumi.a1.yaml` of a clone, and what is said while a command runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[str] = []

    def write(self, **config: object) -> None:
        content = {"config": {f"a1platform:{key}": value for key, value in config.items()}}
        self.path.write_text(yaml.safe_dump(content))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _File:
    """A configuration in place of the clone's own."""
    monkeypatch.setattr(chosen, "REPOSITORY", tmp_path)
    monkeypatch.setenv("A1_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("A1_SANDBOX", raising=False)
    return _File(tmp_path / "Pulumi.a1.yaml")


def test_a_private_key_must_be_there_for_what_connects_only(file: _File) -> None:
    file.write(nodes=[_NODE])
    assert chosen.is_configured()
    assert chosen.is_configured(destroys=True)
    with pytest.raises(StackFileError, match=r"nodes\[0\]\.privateKeyFile: found '/nowhere/id'"):
        chosen.is_configured(connects=True)


def test_a_damaged_private_key_is_told_before_anything_is_done(file: _File, tmp_path: Path) -> None:
    key = tmp_path / "id"
    key.write_text("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n")
    file.write(nodes=[{**_NODE, "privateKeyFile": str(key)}])
    with pytest.raises(StackFileError, match=rf"nodes\[0\]\.privateKeyFile: found '{key}', which is damaged"):
        chosen.is_configured(connects=True)
    assert chosen.is_configured()


def test_the_sandbox_is_taken_where_it_is_asked_for(file: _File, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write(nodes=[_NODE])
    monkeypatch.setenv("A1_SANDBOX", "1")
    assert not chosen.is_configured(connects=True)
    monkeypatch.setenv("A1_SANDBOX", "0")
    assert chosen.is_configured()


def test_the_workflow_deploys_to_a_sandbox_whatever_is_configured() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    deploying = [job for job in jobs.values() if {"run": "make up"} in job["steps"]]
    assert [job["env"]["A1_SANDBOX"] for job in deploying] == ["1"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("config: {'a1platform:nods': []}", "a1platform:nods: found an unknown key, expected nodes, or"),
        ("config: {'a1platform:nods': }", "a1platform:nods: found an unknown key, expected nodes, or"),
        ("config: {'a1platform:k3s': {maxPods: many}}", "a1platform:k3s.maxPods: found 'many', expected"),
        ("config: {nodes: []}", "nodes: found a key without a namespace, expected a1platform:nodes"),
        ("config: {'a1plattform:nodes': []}", "a1plattform:nodes: found an unknown namespace, expected a1p"),
        ("confg: {'a1platform:nodes': []}", "confg: found an unknown key, expected config, or another of"),
    ],
)
def test_a_mistake_is_no_reason_to_make_a_sandbox(file: _File, content: str, line: str) -> None:
    file.path.write_text(content)
    for what in ({}, {"connects": True}, {"destroys": True}):
        with pytest.raises(StackFileError) as refused:
            chosen.is_configured(**what)
        assert line in str(refused.value)


def test_every_mistake_is_told_at_once(file: _File) -> None:
    file.write(nods=[], k3s={"maxPods": "many"}, nodes=[{**_NODE, "port": "x"}])
    with pytest.raises(StackFileError) as refused:
        chosen.is_configured()
    assert str(refused.value).count("found") == 3


def test_what_others_and_pulumi_itself_keep_in_the_file_is_theirs(file: _File) -> None:
    file.path.write_text(
        "encryptionsalt: v1:x\nconfig:\n  a1platform:nodes:\n  kubernetes:context: mine\n"
        "  a1platform:services: {publicUrl: {secure: v1:y}}\n"
    )
    assert not chosen.is_configured()


def test_settings_that_do_not_apply_to_the_sandbox_are_named(file: _File) -> None:
    file.write(k3s={"maxPods": 60}, preflight={"vcpus": 4})
    assert (
        chosen.idle() == "k3s and preflight of Pulumi.a1.yaml do not apply: they are for machines of your own"
    )
    file.write()
    assert chosen.idle() == ""


@dataclass(frozen=True)
class _Backend(Stack):
    """A stack that is deployed and notes what it is told."""

    told: list[tuple[str, ...]] = field(default_factory=list)

    def exists(self) -> bool:
        return True

    def recover(self) -> None:
        """Nothing was left."""

    def retain_everything(self) -> None:
        self.told.append(("retain",))

    def retain_nodes(self, names: Collection[str]) -> None:
        self.told.append(("retain", *names))

    def remove(self) -> None:
        self.told.append(("remove",))

    def run(self, *arguments: str) -> None:
        self.told.append(arguments)


class _Tools:
    """A toolchain that is there."""

    def environment(self, _: Path) -> Mapping[str, str]:
        return {}


def test_a_lost_node_is_forgotten_without_its_key_and_without_its_bundle(
    file: _File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write(nodes=[_NODE], nodeIsGone=True, bundle="/nowhere/bundle")
    stack = _Backend(PRODUCTION, {}, folder=file.path.parent)
    monkeypatch.setattr(up, "ensure", lambda *_, **__: _Tools())
    monkeypatch.setattr(chosen, "production", lambda _: stack)
    up.down(Cache(tmp_path / "cache"), file.said.append)
    assert [words[0] for words in stack.told] == ["retain", "destroy", "remove"]


@pytest.mark.parametrize(
    ("lost", "words"), [([0], ("retain", "a1")), ([], ("retain",)), ([2], ("retain", "a3"))]
)
def test_down_forgets_the_nodes_that_are_gone_and_gives_the_others_back(
    file: _File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: list[int], words: tuple[str, ...]
) -> None:
    nodes: list[dict[str, Any]] = [
        {**_NODE, "name": f"a{number}", "host": f"192.0.2.{number}"} for number in (1, 2, 3)
    ]
    for index in lost:
        nodes[index]["isGone"] = True
    file.write(nodes=nodes)
    stack = _Backend(PRODUCTION, {}, folder=file.path.parent)
    monkeypatch.setattr(up, "ensure", lambda *_, **__: _Tools())
    monkeypatch.setattr(chosen, "production", lambda _: stack)
    up.down(Cache(tmp_path / "cache"), file.said.append)
    assert stack.told[0] == words
    assert [one[0] for one in stack.told] == ["retain", "destroy", "remove"]


def test_nothing_is_forgotten_of_a_machine_of_ones_own_that_does_not_answer(
    file: _File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object) -> None:
        raise PulumiError("pulumi destroy ended with 255")

    file.write(nodes=[_NODE])
    stack = _Backend(PRODUCTION, {}, folder=file.path.parent)
    monkeypatch.setattr(_Backend, "run", run)
    monkeypatch.setattr(up, "ensure", lambda *_, **__: _Tools())
    monkeypatch.setattr(up, "out_of_reach", lambda _: "it does not answer")
    monkeypatch.setattr(chosen, "production", lambda _: stack)
    with pytest.raises(PulumiError):
        up.down(Cache(tmp_path / "cache"), file.said.append)
    assert stack.told == [("retain",)]


@pytest.mark.parametrize(
    ("config", "known", "alone"),
    [
        ({}, [], True),
        ({"nodes": [_NODE]}, ["a1"], True),
        ({"nodes": [_NODE, {**_NODE, "name": "a2"}]}, [], False),
        ({"nodes": json.dumps([_NODE, {**_NODE, "name": "a2"}])}, [], False),
        # Its entry has been taken out already.
        ({"nodes": [_NODE]}, ["a1", "a2"], False),
    ],
)
def test_a_stack_knows_whether_its_machine_is_the_only_one(
    file: _File, config: dict[str, Any], known: list[str], *, alone: bool
) -> None:
    file.write(**config)
    backend = file.path.parent / "stacks"
    path = state_file(backend, PRODUCTION)
    path.parent.mkdir(parents=True)
    place = "urn:pulumi:a1::a1platform::a1platform:node:HardenedNode"
    urns = [f"{place}{end}" for name in known for end in (f"::{name}", f"$command::{name}-preflight")]
    path.write_text(json.dumps({"resources": [{"urn": urn} for urn in urns]}, indent=4))
    stack = Stack(PRODUCTION, {"PULUMI_BACKEND_URL": f"file://{backend}"}, folder=file.path.parent)
    assert stack.is_alone() == alone


def test_only_what_is_on_the_machines_that_are_gone_is_retained(
    file: _File, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "urn:pulumi:a1::a1platform::a1platform:cluster:K3sCluster$command:remote:Command::cluster"
    resources: list[dict[str, Any]] = [{"urn": f"{place}-{name}-k3s"} for name in ("a1", "a1-b", "a2")]
    state = {"deployment": {"resources": resources}}
    imported: list[Any] = []

    def read(_: Stack, *arguments: str) -> str:
        if arguments[1] == "import":
            imported.append(json.loads(Path(arguments[3]).read_text()))
        return json.dumps(state)

    monkeypatch.setattr(Stack, "read", read)
    stack = Stack(PRODUCTION, {}, folder=file.path.parent)
    stack.retain_nodes(())
    assert imported == []
    stack.retain_nodes(("a1", "a2"))
    retained = [one.get("retainOnDelete", False) for one in imported[0]["deployment"]["resources"]]
    assert retained == [True, False, True]


def test_a_preview_where_nothing_is_deployed_writes_nothing_and_needs_no_passphrase(
    file: _File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = {"secure": "v1:of-the-operator"}
    file.write(nodes=[_NODE], services={"publicUrl": secret}, preflight={"vcpus": 4})
    before = file.path.read_text()
    seen: list[Any] = []

    def run(stack: Stack, *arguments: str) -> None:
        assert stack.config is not None
        seen.extend((arguments, json.loads(stack.config.read_text()), stack.config))

    monkeypatch.setattr(up, "ensure", lambda *_, **__: _Tools())
    monkeypatch.setattr(Stack, "exists", lambda _: False)
    monkeypatch.setattr(Stack, "create", lambda _: None)
    monkeypatch.setattr(Stack, "run", run)
    up.preview(Cache(tmp_path / "cache"), file.said.append)
    arguments, content, path = seen
    assert arguments == ("preview",)
    assert set(content) == {"config"}
    assert content["config"]["a1platform:nodes"] == [_NODE]
    assert "v1:of-the-operator" not in json.dumps(content)
    assert not path.exists()
    assert file.path.read_text() == before


def test_the_toolchain_can_come_from_the_configured_bundle(
    file: _File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen.bundle() is None
    (tmp_path / "bundle.json").write_text('{"schema": 1}')
    file.write(bundle=str(tmp_path))
    found = chosen.bundle()
    assert found is not None
    assert found.folder == tmp_path
    monkeypatch.setenv("A1_SANDBOX", "1")
    assert chosen.bundle() is None


def test_a_bundle_that_is_gone_is_in_nobodys_way_who_takes_everything_away(file: _File) -> None:
    file.write(bundle="/nowhere/bundle")
    assert chosen.bundle(destroys=True) is None
    with pytest.raises(StackFileError, match=r"no bundle\.json"):
        chosen.bundle()
