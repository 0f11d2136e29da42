"""When each part of the platform was begun and was healthy, read right after the `up` that brought it.

Not later: a pod that stops being Ready for a moment, as under load, has another time after it.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import kr8s
from kr8s.objects import Node, Pod, Secret

from a1platform.platform import namespaces
from a1platform.platform.chart import MONITORING_CRDS
from tests.smoke.conftest import listed

_PART_OF = {name: part for part, names in namespaces.PARTS.items() for name in names}


@dataclass(frozen=True)
class Span:
    """One part's own time.

    Attributes:
        begun: When Helm began its release. What brings its images to the nodes comes before that.
        healthy: When the last of its pods was Ready.
    """

    begun: datetime
    healthy: datetime

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.healthy - self.begun).total_seconds()


@dataclass(frozen=True)
class Timeline:
    """What came when.

    Attributes:
        ready: When the last node was Ready.
        parts: The time of each part.
    """

    ready: datetime
    parts: Mapping[str, Span]


def timeline(api: kr8s.Api) -> Timeline:
    """Read what came when from a cluster that was brought up just now.

    Args:
        api: A client of it.
    """
    releases = listed(Secret, api, namespace=kr8s.ALL, label_selector="owner=helm")
    pods = listed(Pod, api, namespace=kr8s.ALL)
    return Timeline(
        max(became_ready(one.raw) for one in listed(Node, api)),
        spans([one.raw for one in releases], [one.raw for one in pods]),
    )


def spans(releases: list[Any], pods: list[Any]) -> dict[str, Span]:
    """Return each part's own time.

    Args:
        releases: The Secrets in which Helm keeps its releases. Each is made before anything of its revision.
        pods: The pods.
    """
    begun: dict[str, list[datetime]] = defaultdict(list)
    healthy: dict[str, list[datetime]] = defaultdict(list)
    for one in releases:
        # Kinds that several parts wait for, and no part of any of them.
        if one["metadata"]["labels"]["name"] != MONITORING_CRDS:
            made = datetime.fromisoformat(one["metadata"]["creationTimestamp"])
            begun[_PART_OF.get(one["metadata"]["namespace"], "")].append(made)
    for one in pods:
        # A pod that has done its work is not Ready any more.
        if one["status"]["phase"] == "Running":
            healthy[_PART_OF.get(one["metadata"]["namespace"], "")].append(became_ready(one))
    return {part: Span(min(begun[part]), max(healthy[part])) for part in begun.keys() & healthy.keys() - {""}}


def together(parts: Mapping[str, Span]) -> float:
    """Return how long the parts took together: from the first release that was begun to the last pod Ready.

    Args:
        parts: The time of each.
    """
    first, last = min(one.begun for one in parts.values()), max(one.healthy for one in parts.values())
    return (last - first).total_seconds()


def became_ready(one: Any) -> datetime:  # noqa: ANN401 - an object of the API, as JSON has it
    """Return when a node or a pod became Ready.

    Args:
        one: The node or the pod.
    """
    conditions = {condition["type"]: condition for condition in one["status"]["conditions"]}
    return datetime.fromisoformat(conditions["Ready"]["lastTransitionTime"])
