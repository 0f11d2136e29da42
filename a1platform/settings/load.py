"""Read a stack's configuration once; the only module that does."""

from collections.abc import Mapping

import pulumi
from pydantic import JsonValue, ValidationError

from a1platform.naming import PROJECT
from a1platform.settings import problems
from a1platform.settings.model import A1Settings
from a1platform.settings.node import READ_KEYS


class SettingsError(pulumi.RunError):
    """The configuration is refused; the text has one line for each thing that is wrong with it."""


def load() -> A1Settings:
    """Return the settings of the current stack; a preview connects to nothing, so it needs no private key.

    Raises:
        SettingsError: Anything in the configuration is wrong; every problem is named at once.
    """
    config = pulumi.Config(PROJECT)
    prefix = f"{PROJECT}:"
    keys = [key.removeprefix(prefix) for key in pulumi.runtime.config.CONFIG.get() if key.startswith(prefix)]
    values = {key: _value(config, key) for key in keys}
    return parse(values, connects=not pulumi.runtime.is_dry_run())


def parse(values: Mapping[str, JsonValue], *, connects: bool = True) -> A1Settings:
    """Check plain values, as YAML gives them, and return them as settings.

    Args:
        values: The keys below `a1platform:`.
        connects: Whether the private keys must be there, as something connects to the machines.

    Raises:
        SettingsError: Anything is wrong; each line gives the key's path, what was found and what is expected.
    """
    try:
        return A1Settings.model_validate(dict(values), context=READ_KEYS if connects else None)
    except ValidationError as error:
        found = [f"  {PROJECT}:{line}" for line in problems.lines(error, A1Settings)]
        # Not `from error`: pydantic's own text shows every value, secret ones too.
        raise SettingsError("\n".join(["the configuration is refused:", *found])) from None


def _value(config: pulumi.Config, key: str) -> JsonValue:
    text = config.require(key)
    if text[:1] in {"{", "["}:
        value: JsonValue = config.require_object(key)
        return value
    return text
