"""Chart values and what else is merged as Helm merges them."""

import copy
from collections.abc import Mapping
from typing import Any

from a1platform.delivery.manifest import Manifest


def budget(replicas: int) -> Manifest:
    """Return the values of a disruption budget: one of several pods stays while a node is drained.

    A budget of one out of one would let no node be drained.

    Args:
        replicas: How many pods there are.
    """
    return {"enabled": True, "minAvailable": 1} if replicas > 1 else {"enabled": False}


def merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return chart values with others merged over them, as Helm merges: mappings by key, all else replaced.

    Args:
        values: Ours.
        over: What wins.
    """
    result = copy.deepcopy(dict(values))
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result
