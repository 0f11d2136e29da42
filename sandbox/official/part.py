"""A part of the bundle as its makers publish it: a chart with the images that it asks for, or only images."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from a1platform.platform.chart import Chart
from sandbox.build.image import ImageFile
from sandbox.chart_images import images, rendered
from sandbox.official.charts import index_address, take_chart
from sandbox.official.images import take_images
from sandbox.official.places import Fetch, Places


@dataclass(frozen=True)
class Official:
    """What a part is officially made of.

    Attributes:
        chart: Its chart, which decides the images.
        references: Whole names of its images, where it has no chart.
    """

    chart: Chart | None = None
    references: tuple[str, ...] = ()

    def digest(self) -> str:
        """Return a digest of the pins; a part that was taken by them is not made again for anything else.

        The code that takes it is left out: after a change of that, a part would be built for an hour where
        its place cannot be reached that day.
        """
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def addresses(self, places: Places) -> list[str]:
        """Return what is known to be asked before anything is taken."""
        if self.chart is not None:
            return [index_address(self.chart, places)]
        return [places.registry(reference) for reference in self.references]

    def origin(self, held: Sequence[ImageFile]) -> str:
        """Return what was taken, in words."""
        told = [f"chart {self.chart.source} {self.chart.version}"] if self.chart else []
        return ", ".join([*told, *(["images from their registries"] if held else [])])


def take(part: str, official: Official, fetch: Fetch, chart: Path) -> list[ImageFile]:
    """Take a part's images, and put its chart in place where it has one and all of its images are there.

    Args:
        part: Its name.
        official: What it is made of.
        fetch: How; the images lie in its folder of downloads.
        chart: Where the chart's folder goes.

    Raises:
        UnreachableError: A repository or a registry does not answer.
        ReleaseError: One answers with something else than what is pinned, or not to the end.
        ChartError: The chart does not take our values.
        BuildError: Helm or crane cannot be built.
    """
    if official.chart is None:
        return take_images(official.references, fetch)
    with fetch.cache.making(chart) as out:
        take_chart(official.chart, fetch, out)
        asked = images(rendered(fetch.cache, fetch.progress, part, out, grafana=True))
        return take_images(asked, fetch)
