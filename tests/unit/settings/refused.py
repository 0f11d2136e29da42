"""What the tests of the settings share: the lines of a refusal."""

from collections.abc import Callable
from typing import Any

import pytest

from a1platform.settings.load import SettingsError, parse

Entry = Callable[..., dict[str, Any]]
"""A function that gives a valid node as it stands in YAML, with changes."""


def refused(values: dict[str, Any]) -> list[str]:
    """Return the problems of a configuration, one a line, each beginning with its key."""
    with pytest.raises(SettingsError) as caught:
        parse(values)
    head, *lines = str(caught.value).splitlines()
    assert head == "the configuration is refused:"
    return [line.strip().removeprefix("a1platform:") for line in lines]
