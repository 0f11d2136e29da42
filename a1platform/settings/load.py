"""Read a stack's configuration once; the only module that does."""

from collections.abc import Mapping

import pulumi
from pydantic import JsonValue

from a1platform.naming import PROJECT
from a1platform.settings.checked import Further, checked, nothing
from a1platform.settings.model import KEYS, A1Settings
from a1platform.settings.plain import plain


class SettingsError(pulumi.RunError):
    """The configuration is refused; the text has one line for each thing that is wrong with it."""


def load(further: Further = nothing) -> A1Settings:
    """Return the settings of the current stack; a preview connects to nothing, so it needs no private key.

    Args:
        further: Finds what right values cannot mean for a later stage; told with everything else.

    Raises:
        SettingsError: Anything in the configuration is wrong; every problem is named at once.
    """
    config = pulumi.Config(PROJECT)
    prefix = f"{PROJECT}:"
    keys = [key.removeprefix(prefix) for key in pulumi.runtime.config.CONFIG.get() if key.startswith(prefix)]
    texts = {key: config.require(key) for key in keys}
    # Pulumi makes an empty text of a key without a value.
    values = {key: plain(text) for key, text in texts.items() if text or key not in KEYS}
    return parse(values, further, connects=not pulumi.runtime.is_dry_run())


def holds_secret(key: str) -> bool:
    """Tell whether anything in a value of the current stack's configuration is encrypted.

    Pulumi tells it of a whole key, not of the place in it.

    Args:
        key: A key below `a1platform:`.
    """
    return pulumi.runtime.config.is_config_secret(f"{PROJECT}:{key}")


def parse(
    values: Mapping[str, JsonValue], further: Further = nothing, *, connects: bool = True
) -> A1Settings:
    """Check plain values, as YAML gives them, and return them as settings.

    Args:
        values: The keys below `a1platform:`.
        further: See `load`.
        connects: Whether the private keys must be there, as something connects to the machines.

    Raises:
        SettingsError: Anything is wrong; each line gives the key's path, what was found and what is expected.
    """
    right, found = checked(values, further, connects=connects)
    if not found and isinstance(right.settings, A1Settings):
        return right.settings
    # Outside of the handler: pydantic's own text shows every value, secret ones too.
    lines = [f"  {PROJECT}:{line}" for line in found]
    raise SettingsError("\n".join(["the configuration is refused:", *lines]))
