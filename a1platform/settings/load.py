"""Read a stack's configuration once; the only module that does."""

from collections.abc import Mapping

import pulumi
from pydantic import JsonValue, ValidationError

from a1platform.settings.model import A1Settings


class SettingsError(ValueError):
    """The configuration is refused; the text has one line for each thing that is wrong with it."""


def load() -> A1Settings:
    """Return the settings of the current stack.

    Raises:
        SettingsError: Anything in the configuration is wrong; every problem is named at once.
    """
    config = pulumi.Config("a1platform")
    known = {field.alias or name for name, field in A1Settings.model_fields.items()}
    given = {_key(key) for key in pulumi.runtime.config.CONFIG if key.startswith("a1platform:")}
    return parse({key: _value(config, key) for key in given | known if config.get(key) is not None})


def parse(values: Mapping[str, JsonValue]) -> A1Settings:
    """Check plain values, as YAML gives them, and return them as settings.

    Args:
        values: The keys below `a1platform:`.

    Raises:
        SettingsError: Anything is wrong; each line gives the path of the key, what was found and what is expected.
    """
    try:
        return A1Settings.model_validate(dict(values))
    except ValidationError as error:
        lines = [_line(path=problem["loc"], text=problem["msg"], found=problem["input"]) for problem in error.errors()]
        raise SettingsError("the configuration is refused:\n" + "\n".join(f"  {line}" for line in lines)) from None


def _line(path: tuple[int | str, ...], text: str, found: object) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    message = text.removeprefix("Value error, ")
    if "found" in message or isinstance(found, dict | list):
        return f"a1platform:{where}: {message}"
    return f"a1platform:{where}: found {found!r}, expected: {message}"


def _key(qualified: str) -> str:
    return qualified.removeprefix("a1platform:")


def _value(config: pulumi.Config, key: str) -> JsonValue:
    text = config.require(key)
    if text[:1] in "{[":
        value: JsonValue = config.require_object(key)
        return value
    return text
