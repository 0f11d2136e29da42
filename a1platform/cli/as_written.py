"""Values as they stand in a stack's file, of which Pulumi would make something else or nothing."""

import math
from collections.abc import Iterator
from typing import Any

from ruamel.yaml.scalarint import ScalarInt

from a1platform.settings.problems import path
from a1platform.settings.together import Location

ENCRYPTED = "https://encrypted.invalid"
"""Stands for a value that only Pulumi can decrypt; a URL, since some of them have to be one."""
_PLAIN = ("nodes", "preflight", "hardening", "k3s", "bundle")
"""Keys that the commands read too, before Pulumi decrypts anything."""


def readable(value: object) -> object:
    """Return a value with `ENCRYPTED` in place of everything that `pulumi config set --secret` wrote."""
    if _is_encrypted(value):
        return ENCRYPTED
    if isinstance(value, dict):
        return {key: readable(one) for key, one in value.items()}
    return [readable(one) for one in value] if isinstance(value, list) else value


def unreadable(value: object, *location: int | str) -> Iterator[str]:
    """Yield a line for each value that cannot be read, or that Pulumi would read as another one.

    Args:
        value: What stands in the file.
        location: Its place below `a1platform:`, from the outside in.
    """
    why = _why(value, location)
    if why is not None:
        yield f"{path(location)}: {why}"
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from unreadable(one, *location, str(key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from unreadable(one, *location, index)


def _why(value: object, location: Location) -> str | None:
    if _is_encrypted(value) and location[0] in _PLAIN:
        return "found an encrypted value, expected it in plain text: it is read before Pulumi decrypts"
    # Pulumi's YAML is 1.1, in which 022 is 18; ruamel keeps the width of such a number only.
    if type(value) is ScalarInt and (getattr(value, "_width", None) or 0) > 1:
        return f"found {value} after a leading zero, expected it without, as Pulumi reads it as octal"
    if isinstance(value, float) and not math.isfinite(value):
        return f"found {float(value)}, expected a number that JSON has, as Pulumi hands it on so"
    return None


def _is_encrypted(value: Any) -> bool:  # noqa: ANN401 - anything that YAML can be
    return isinstance(value, dict) and set(value) == {"secure"}
