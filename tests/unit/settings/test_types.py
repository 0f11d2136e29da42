"""A value of the wrong type is refused and never turned into something else."""

import typing
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pydantic import BaseModel

from a1platform.naming import PROJECT
from a1platform.settings.load import SettingsError, load
from a1platform.settings.model import A1Settings
from tests.unit.settings.refused import Entry, refused


def _fields(model: type[BaseModel], way: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    """Yield each field that is no list or mapping, with its key, through the settings in it."""
    for name, field in model.model_fields.items():
        key = (*way, field.alias or name)
        kinds = {field.annotation, *typing.get_args(field.annotation)}
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel) and tuple not in kinds:
                yield from _fields(kind, key)
            elif kind in {int, bool}:
                yield ".".join(key), kind


_INNER = ("nodes.", "platform.sizes.", "services.overrides.")
_FIELDS = [one for one in _fields(A1Settings) if not one[0].startswith(_INNER)]


def _everywhere(kind: object, value: object) -> dict[str, Any]:
    """Return a configuration with one value in the place of each number, or of each switch."""
    given: dict[str, Any] = {}
    for key, own in _FIELDS:
        if own is kind:
            *way, last = key.split(".")
            inner = given
            for step in way:
                inner = inner.setdefault(step, {})
            inner[last] = value
    return given


@pytest.mark.parametrize(
    ("kind", "wrong", "wanted"),
    [
        *((int, wrong, "an integer") for wrong in (True, "22", "on", 1.5)),
        *((bool, wrong, "true or false") for wrong in (1, "no", "off", "true")),
    ],
)
def test_a_number_and_a_switch_are_written_as_such(kind: object, wrong: object, wanted: str) -> None:
    told = [line for line in refused(_everywhere(kind, wrong)) if line.endswith(f", expected {wanted}")]
    keys = {key for key, own in _FIELDS if own is kind}
    assert len(keys) > 5
    assert {line.partition(": ")[0] for line in told} == keys


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"port": True}, "nodes[0].port: found true, expected an integer"),
        ({"port": "22"}, "nodes[0].port: found '22', expected an integer"),
    ],
)
def test_a_nodes_port_is_a_number(node: Entry, changes: dict[str, Any], line: str) -> None:
    assert refused({"nodes": [node(**changes)]}) == [line]


def _loaded(**given: str) -> A1Settings:
    pulumi.runtime.set_all_config({f"{PROJECT}:{key}": value for key, value in given.items()})
    try:
        return load()
    finally:
        pulumi.runtime.set_all_config({})


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
def test_a_switch_of_its_own_comes_from_pulumi_as_a_text(text: str, value: object) -> None:
    assert _loaded(nodeIsGone=text).node_is_gone is value


@pytest.mark.parametrize("text", ["on", "yes", "1", "True"])
def test_a_switch_of_its_own_is_true_or_false(text: str) -> None:
    with pytest.raises(SettingsError, match=f"nodeIsGone: found '{text}', expected true or false"):
        _loaded(nodeIsGone=text)


def test_a_text_that_begins_like_a_list_is_told_with_everything_else() -> None:
    with pytest.raises(SettingsError, match=r"nodes: found '\[a1', expected a list\n.*k3s: found 'x', exp"):
        _loaded(nodes="[a1", k3s="x")
