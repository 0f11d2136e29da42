"""`python -m a1platform.cli.reference`: docs/configuration.md, from the settings' own classes."""

import json
import re
import sys
import types
import typing
from collections.abc import Iterator
from enum import Enum
from inspect import cleandoc
from ipaddress import IPv4Network
from pathlib import Path

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from a1platform.naming import PROJECT
from a1platform.settings.model import A1Settings

EXAMPLE = f"""\
config:
  {PROJECT}:k3s:
    tlsSan: [a1.example.org]
  {PROJECT}:hardening:
    firewall:
      adminRanges: [192.0.2.0/24]
  {PROJECT}:services:
    profile: standard
    publicUrl: https://a1.example.org
"""
"""Shown at the top; the tests load it."""

_INTRODUCTION = f"""\
# Configuration

Written by `python -m a1platform.cli.reference` from `a1platform/settings/`; a test compares it. An empty
file is a valid configuration: without nodes `make up` makes the sandbox node. `Pulumi.<stack>.yaml` is read
once. Unknown keys and wrong values are refused before anything is touched, all of them at once, each with
its path, what was found and what is expected. Settings without nodes are kept for the machines to come: the
sandbox does not follow them, and `make up` says so.

```yaml
# Pulumi.a1.yaml
{EXAMPLE}```

`a1 init HOST` writes `{PROJECT}:nodes`, and with the first machines `platform.profile: standard` where they
have room for it. Secrets are set with `pulumi config set --secret --path`.

A private key is read only by what connects to its machine: `up`, `a1 init` and `a1 audit`. A preview needs
none, and writes nothing where nothing is deployed.

Beside the stack's file two variables of the environment say where things are kept: `A1_CACHE` what was
downloaded or built (default `~/.cache/a1platform`; may be deleted while no sandbox is up, whose container
engine can keep its data there), and `A1_STATE` stacks, keys and passphrases (default
`~/.local/state/a1platform`; must be kept). `A1_SANDBOX=1` makes every `make` target act on the sandbox,
whatever machines `Pulumi.a1.yaml` names.
"""

_NAMES: dict[object, str] = {
    bool: "true or false",
    int: "integer",
    str: "text",
    Path: "path",
    SecretStr: "secret",
    IPv4Network: "IPv4 range",
    types.NoneType: "nothing",
}


def reference() -> str:
    """Return the text of docs/configuration.md, the same bytes for the same settings."""
    return "\n".join([_INTRODUCTION, *_section(A1Settings, "")])


def _section(model: type[BaseModel], path: str) -> Iterator[str]:
    """Yield the parts of one class's table and, below it, of those that its fields hold."""
    meanings = _meanings(model)
    inner: list[tuple[type[BaseModel], str]] = []
    yield f"## `{path}`\n" if path else f"## Below `{PROJECT}:`\n"
    if path:
        yield f"{_summary(model)}\n"
    yield "| Key | Type | Default | Meaning |\n|---|---|---|---|"
    for name, field in model.model_fields.items():
        key = field.alias or name
        here = f"{path}.{key}" if path else key
        found = list(_models(field.annotation, here))
        inner += found
        kind = ", ".join(f"see [`{where}`](#{_anchor(where)})" for _, where in found)
        meaning = meanings[name]
        if meaning.startswith("See "):
            meaning = _escaped(_summary(found[0][0]))
        yield f"| `{key}` | {kind or _kind(field)} | {_default(field, kind)} | {meaning} |"
    yield ""
    for one, where in inner:
        yield from _section(one, where)


def _anchor(path: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "", path.lower())


def _models(annotation: object, path: str) -> Iterator[tuple[type[BaseModel], str]]:
    """Yield the settings that a field holds: itself, each of a list, or each of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, path
        return
    origin = typing.get_origin(annotation)
    suffix = "[]" if origin is tuple else ".<name>" if origin is dict else ""
    for argument in typing.get_args(annotation):
        yield from _models(argument, path + suffix)


def _kind(field: FieldInfo) -> str:
    return _escaped(_type(field.annotation) + _limits(field.metadata))


def _type(annotation: object) -> str:
    """Return a type in words."""
    arguments = typing.get_args(annotation)
    if arguments:
        return _compound(typing.get_origin(annotation), arguments)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{one.value}`" for one in annotation)
    # The one that is left is pydantic's name for whatever JSON can say, which refers to itself.
    return _NAMES.get(annotation, "any value")


def _compound(origin: object, arguments: tuple[typing.Any, ...]) -> str:
    if origin is typing.Annotated:
        return _type(arguments[0]) + _limits(arguments[1:])
    if origin is typing.Literal:
        return " or ".join(f"`{one}`" for one in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"mapping of {_type(arguments[0])} to {_type(arguments[1])}"
    return " or ".join(_type(one) for one in arguments if one is not types.NoneType)


def _limits(metadata: typing.Iterable[object]) -> str:
    """Return what bounds a value, such as `, 1 to 5`."""
    least = next((one.ge for one in metadata if isinstance(one, annotated_types.Ge)), None)
    most = next((one.le for one in metadata if isinstance(one, annotated_types.Le)), None)
    if least is not None and most is not None:
        return f", {least} to {most}"
    return f", at least {least}" if least is not None else ""


def _default(field: FieldInfo, nested: str) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or isinstance(value, BaseModel) or (nested and not value):
        return ""
    if value is None:
        return "none"
    return f"`{_escaped(json.dumps(to_jsonable_python(value)))}`"


def _summary(model: type[BaseModel]) -> str:
    return " ".join(cleandoc(model.__doc__ or "").split("\n\n")[0].split())


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a class and of those that it builds on say of each field."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        lines = cleandoc(one.__doc__ or "").partition("Attributes:\n")[2]
        for match in re.finditer(r"^    (\w+): (.*(?:\n        .*)*)", lines, re.MULTILINE):
            found[match[1]] = _escaped(" ".join(match[2].split()))
    return found


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
