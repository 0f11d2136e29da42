"""What right settings cannot mean for the platform, refused before a machine is touched."""

from a1platform.platform.policy_set import load
from a1platform.settings.model import A1Settings
from a1platform.settings.policies import PolicySettings
from a1platform.settings.together import Right


def platform_problems(right: Right) -> list[str]:
    """Return a line for each thing that the policies' settings name and that is not there.

    Args:
        right: What is right in the whole configuration.
    """
    settings: A1Settings = right.settings
    # All policies are read for it, which a run without settings of its own need not wait for.
    return load().problems(settings.policies) if settings.policies != PolicySettings() else []
