"""Check a whole configuration, each value by itself and all together, and tell everything at once."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from pydantic import JsonValue, ValidationError

from a1platform.settings import problems
from a1platform.settings.model import A1Settings
from a1platform.settings.node import READ_KEYS
from a1platform.settings.together import Right, right_part

Further = Callable[[Right], Iterable[str]]
"""Returns a line for each problem, which begins with its key, between what is right in a configuration."""


def nothing(_right: Right) -> tuple[str, ...]:
    """Find nothing more than what is wrong with the values by themselves."""
    return ()


def checked(
    values: Mapping[str, JsonValue], further: Further, *, connects: bool, passed_over: str | None = None
) -> tuple[Right, list[str]]:
    """Return what is right in plain values, and a line for each thing that is wrong.

    Args:
        values: The keys below `a1platform:`, as YAML gives them.
        further: Finds what right values cannot mean for a later stage.
        connects: Whether the private keys must be there, as something connects to the machines.
        passed_over: A value that stands for one that is not known, about which nothing is told.
    """
    given, found = dict(values), list[str]()
    check = partial(A1Settings.model_validate, context=READ_KEYS if connects else None)
    try:
        right = Right(check(given))
    except ValidationError as error:
        found += problems.lines(error, A1Settings, passed_over=passed_over)
        right = right_part(check, given, error)
    if isinstance(right.settings, A1Settings):
        found += further(right)
    return right, found
