"""What must hold between values, told at once with what is wrong with each of them.

Pydantic's own validators of a model run only when every field is right, so each error would hide another.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

Location = tuple[int | str, ...]


class Problem(NamedTuple):
    """Something wrong between values.

    Attributes:
        location: Where it is told, keys and indices from the outside in.
        text: What was found and what is expected.
        about: The keys that it compares, as they stand in the file; it is told only while each is right by
            itself, since a default in its place would make it untrue.
    """

    location: Location
    text: str
    about: tuple[Location, ...] = ()


class Right(NamedTuple):
    """What is left of a configuration without what is wrong in it.

    Attributes:
        settings: The rest, with defaults in place of what is wrong; None where there is no such rest.
        wrong: The keys that were wrong.
    """

    settings: Any
    wrong: frozenset[Location] = frozenset()

    def has(self, *keys: Location) -> bool:
        """Tell whether nothing at, above or below these keys is wrong."""
        return not any(
            wrong[: len(key)] == key or key[: len(wrong)] == wrong for wrong in self.wrong for key in keys
        )


def gives(settings: BaseModel, given: object, name: str) -> bool:
    """Tell whether a field has a value, be it a wrong one.

    Args:
        settings: The settings as far as they are right.
        given: What they were read from.
        name: The field; nothing, or a mapping of nothing, is its default.
    """
    key = type(settings).model_fields[name].alias or name
    return bool(getattr(settings, name) or (isinstance(given, dict) and given.get(key)))


def right_part(check: Callable[[Any], object], value: object, error: ValidationError) -> Right:
    """Return what is right in a value.

    Args:
        check: What has refused it.
        value: The value.
        error: Why it was refused.
    """
    rest, wrong = copy.deepcopy(value), set[Location]()
    while dropped := _drop(rest, error):
        wrong |= dropped
        try:
            return Right(check(rest), frozenset(wrong))
        except ValidationError as another:
            error = another
    return Right(None, frozenset(wrong))


def _drop(value: object, error: ValidationError) -> set[Location]:
    """Take what is wrong out of a value, and return its keys."""
    dropped: set[Location] = set()
    for problem in error.errors(include_url=False):
        location = problem["loc"]
        if not any(location[: len(one)] == one for one in dropped):
            dropped |= {one for one in [_drop_last(value, location)] if one}
    return dropped


def _drop_last(value: object, location: Location) -> Location:
    """Take out the last key on the way to a location; of a list only all, as the rest would change places."""
    inner, owner, length = value, None, 0
    for depth, step in enumerate(location):
        if isinstance(inner, dict) and step in inner:
            owner, length = inner, depth + 1
            inner = inner[step]
        elif isinstance(inner, list) and isinstance(step, int) and step < len(inner):
            inner = inner[step]
        else:
            break
    if owner is not None:
        del owner[location[length - 1]]
    return location[:length]


def tell(title: str, error: ValidationError | None, problems: Iterable[Problem]) -> None:
    """Raise what is wrong with values and between them as one error; return where nothing is between them.

    Args:
        title: What is checked.
        error: What is wrong with the values by themselves.
        problems: What is wrong between them.

    Raises:
        ValidationError: There are such problems.
    """
    found = [
        InitErrorDetails(
            type=PydanticCustomError("between", "{text}", {"text": one.text}), loc=one.location, input=None
        )
        for one in problems
    ]
    if found:
        _raise(title, [*(error.errors(include_url=False) if error else ())], found)


def _raise(title: str, errors: Iterable[ErrorDetails], found: list[InitErrorDetails]) -> NoReturn:
    again = [
        InitErrorDetails(
            type=PydanticCustomError(one["type"], "{text}", {**one.get("ctx", {}), "text": one["msg"]}),
            loc=one["loc"],
            input=one["input"],
        )
        for one in errors
    ]
    # Not from the first error: pydantic's own text shows every value, secret ones too.
    raise ValidationError.from_exception_data(title, [*again, *found]) from None
