"""What right settings cannot mean for the hosts, refused before one is touched."""

from a1platform.node.hardening.sysctl import PARAMETERS
from a1platform.settings.model import A1Settings
from a1platform.settings.together import Right
from a1platform.settings.words import one_of


def node_problems(right: Right) -> list[str]:
    """Return a line for each kernel parameter that is to be skipped and would not have been set.

    Args:
        right: What is right in the whole configuration.
    """
    settings: A1Settings = right.settings
    known = [parameter.key for parameter in PARAMETERS]
    return [
        f"hardening.sysctl.skip.{key}: found a parameter that would not be set, {one_of(key, known)}"
        for key in settings.hardening.sysctl.skip
        if key not in known
    ]
