"""Where the pods of a service may connect to beside what the catalog says."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from a1platform.settings.base import Settings
from a1platform.settings.ranges import Range
from a1platform.settings.together import Problem, gives

# Strict, since what checks numbers elsewhere does not look into a list: `true` would be port 1.
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]


class EgressSettings(Settings):
    """A place that a service may connect to: a range of addresses, or a namespace of the cluster.

    Attributes:
        cidr: Range of addresses outside of the cluster; network policies know no names.
        namespace: Namespace of the cluster.
        ports: TCP ports there; in a namespace those of its pods, which its Services may tell otherwise.
    """

    cidr: Range | None = None
    namespace: (
        Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", examples=["tools"])] | None
    ) = None
    ports: tuple[Port, ...] = Field(min_length=1)

    def between(self, given: object) -> Iterator[Problem]:
        """Return where there is not one place."""
        yield from super().between(given)
        cidr, namespace = gives(self, given, "cidr"), gives(self, given, "namespace")
        if cidr == namespace:
            yield Problem((), f"found {'both' if cidr else 'neither'}, expected cidr or namespace")
