"""What every part's component is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import pulumi

from a1platform.platform.chart import Chart
from a1platform.platform.sizes import Sizing
from a1platform.settings.part import PartSettings

Slice = TypeVar("Slice", bound=PartSettings)


@dataclass(frozen=True)
class PartArgs(Generic[Slice]):
    """What a part is made of; one that takes more has arguments of its own round these.

    Attributes:
        chart: Its chart.
        settings: Its slice of the settings.
        sizing: How large its containers are.
        monitoring: Whether the monitoring stack's kinds are there.
        images: What brings its images to the nodes; without a bundle the nodes pull them.
        after: What it waits for: its namespaces, and those kinds where its chart looks for them.
    """

    chart: Chart
    settings: Slice
    sizing: Sizing
    monitoring: bool = False
    images: Sequence[pulumi.Resource] = ()
    after: Sequence[pulumi.Resource] = ()

    @property
    def before(self) -> list[pulumi.Resource]:
        """Everything that comes before its pods."""
        return [*self.after, *self.images]
