"""What right values cannot mean together or for a later stage, refused before anything is declared."""

from a1platform.cluster.refusal import cluster_problems
from a1platform.node.refusal import node_problems
from a1platform.platform.refusal import platform_problems
from a1platform.services.refusal import service_problems
from a1platform.settings.together import Right


def problems(right: Right) -> list[str]:
    """Return a line for each problem, which begins with its key.

    Args:
        right: What is right in the whole configuration.
    """
    return [
        *node_problems(right),
        *cluster_problems(right),
        *platform_problems(right),
        *service_problems(right),
    ]
