"""What is wrong with a configuration, in words: where, what was found, what is expected."""

import difflib
import typing
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]

_HIDDEN = frozenset({"adminPassword", "clientSecret", "credentials", "secrets", "webhooks"})
"""Keys whose values are never shown."""

_SHOWN = 60


def path(location: Iterable[int | str]) -> str:
    """Return a location as `pulumi config set --path` writes it, such as `nodes[0].hostKey`.

    Args:
        location: Keys and indices from the outside in.
    """
    steps = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(steps).removeprefix(".")


def lines(error: ValidationError, model: type[BaseModel], *root: str) -> list[str]:
    """Return a line for each problem: the path of the key, what was found and what is expected.

    Args:
        error: What pydantic found.
        model: The outermost settings, by which an unknown key gets its closest known one.
        root: Keys in front of pydantic's own.
    """
    found = [((*root, *one["loc"]), one) for one in error.errors()]
    return [f"{path(location)}: {_text(location, one, model)}" for location, one in found]


def _text(location: Location, problem: ErrorDetails, model: type[BaseModel]) -> str:
    if problem["type"] == "missing":
        return "found nothing, expected a value, since it has no default"
    if problem["type"] == "extra_forbidden":
        return _unknown(location, model)
    message = problem["msg"].removeprefix("Value error, ")
    if "expected" in message and "found" in message:
        return message
    expected = message.removeprefix("Input should be ")
    return f"found {_found(problem)}, expected {expected[:1].lower()}{expected[1:]}"


def _found(problem: ErrorDetails) -> str:
    if _HIDDEN & set(problem["loc"]):
        return "a secret, which is not shown"
    found = problem["input"]
    if isinstance(found, dict | list):
        return "a mapping" if isinstance(found, dict) else f"a list of {len(found)}"
    text = repr(found)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _unknown(location: Location, model: type[BaseModel]) -> str:
    known = _keys(model, location[:-1])
    if not known:
        return "found an unknown key, expected none of this name"
    close = difflib.get_close_matches(str(location[-1]), known, 1)
    hint = f"{close[0]}, or another of " if close else "one of "
    return f"found an unknown key, expected {hint}{', '.join(one for one in known if one not in close)}"


def _keys(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Return the keys of the settings at a location; none where they cannot be told."""
    steps = iter([one for one in location if not isinstance(one, int)])
    for step in steps:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if step not in fields:
            return []
        inner = fields[step].annotation
        found = [inner, *getattr(inner, "__args__", ())]
        models = [one for one in found if isinstance(one, type) and issubclass(one, BaseModel)]
        if not models:
            return []
        model = models[0]
        if typing.get_origin(inner) is dict:
            next(steps, None)  # a key of the site's own, such as a service's name
    return sorted(field.alias or name for name, field in model.model_fields.items())
