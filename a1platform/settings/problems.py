"""What is wrong with a configuration, in words: where, what was found, what is expected."""

import typing
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from a1platform.settings.shown import hidden, short, shown
from a1platform.settings.words import Examples, examples, expected, one_of, secret_keys

Location = tuple[int | str, ...]

_MOST = 200
"""Characters that a line spends on what was found."""


def path(location: Iterable[int | str]) -> str:
    """Return a location as `pulumi config set --path` writes it, such as `nodes[0].hostKey`.

    Args:
        location: Keys and indices from the outside in.
    """
    steps = (f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in location)
    return "".join(steps).removeprefix(".")


def lines(
    error: ValidationError, model: type[BaseModel], *root: str, passed_over: str | None = None
) -> list[str]:
    """Return a line for each problem: the path of the key, what was found and what is expected.

    Args:
        error: What pydantic found.
        model: The outermost settings, by which an unknown key gets its closest known one.
        root: Keys in front of pydantic's own.
        passed_over: A value that stands for one that is not known, about which nothing is told.
    """
    told = [one for one in error.errors(include_url=False) if not _untrue(one)]
    found = [
        ((*root, *one["loc"]), one) for one in told if passed_over is None or one["input"] != passed_over
    ]
    patterns = any(one["type"] == "string_pattern_mismatch" for _, one in found)
    known = examples(model) if patterns else {}
    secret, holders = secret_keys(model)

    def hides(location: Location) -> bool:
        return not (secret.isdisjoint(location) and holders.isdisjoint(location[-1:]))

    return [
        f"{path(location)}: {_text(location, one, model, known, hide=hides(location))}"
        for location, one in found
    ]


def _untrue(problem: ErrorDetails) -> bool:
    """Tell whether only wrong entries make a list too short, which are told themselves."""
    found = problem["input"]
    if problem["type"] != "too_short" or not isinstance(found, list | tuple):
        return False
    return len(found) >= int(problem["ctx"]["min_length"])


def _key(step: str) -> str:
    """Return a step of a path; a key of the site's own may be anything, such as a file in the wrong place."""
    return f"<a key of {len(step)} characters>" if hidden(step) else short(step)


def _text(
    location: Location, problem: ErrorDetails, model: type[BaseModel], known: Examples, *, hide: bool
) -> str:
    if problem["type"] == "missing":
        return "found nothing, expected a value, since it has no default"
    if problem["type"] == "extra_forbidden":
        return _unknown(location, model)
    message = problem["msg"].removeprefix("Value error, ")
    if "expected" in message and "found" in message:
        return _without_secrets(message)
    # Null and switches are no secrets, whatever stands beside them.
    is_shown = not hide or problem["input"] is None or isinstance(problem["input"], bool)
    found = shown(problem["input"]) if is_shown else "a secret, which is not shown"
    return f"found {found}, expected {expected(problem, known)}"


def _without_secrets(message: str) -> str:
    """Return a check's own message, which names what it found, with no more of it than may be shown."""
    found, separator, wanted = message.partition(", expected ")
    if hidden(found):
        # What was found can hold the separator itself.
        wanted = message.rpartition(", expected ")[2]
        return f"found what is not shown, expected {'another value' if hidden(wanted) else wanted}"
    return f"{short(found, _MOST)}{separator}{wanted}"


def _unknown(location: Location, model: type[BaseModel]) -> str:
    return f"found an unknown key, {one_of(str(location[-1]), _keys(model, location[:-1]))}"


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
