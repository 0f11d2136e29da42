"""Metrics of each call as plain numbers, which are made into samples when somebody asks for them.

prometheus_client takes a lock for every count, as threads may share its metrics. Here one event loop counts,
and shows what it has counted.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Number:
    """One number of a counter or a gauge.

    Attributes:
        value: The number.
        since: When it began, in seconds since the epoch.
    """

    __slots__ = ("since", "value")

    def __init__(self) -> None:
        """Begin at nought."""
        self.value, self.since = 0.0, time.time()

    def inc(self, amount: float = 1.0) -> None:
        """Count up."""
        self.value += amount

    def dec(self, amount: float = 1.0) -> None:
        """Count down, as only a gauge may."""
        self.value -= amount


class Spread:
    """The spread of what was observed.

    Attributes:
        counts: How many came into each bucket, and into none.
        total: The sum of all.
        since: When it began, in seconds since the epoch.
    """

    __slots__ = ("_ends", "counts", "since", "total")

    def __init__(self, ends: Sequence[float]) -> None:
        """Have a bucket up to each of these ends."""
        self._ends = ends
        self.counts = [0] * (len(ends) + 1)
        self.total, self.since = 0.0, time.time()

    def observe(self, value: float) -> None:
        """Count what was observed."""
        self.counts[bisect_left(self._ends, value)] += 1
        self.total += value


C = TypeVar("C", Number, Spread)


class _Tally(Collector, Generic[C]):
    """What is counted under one name, by label values."""

    def __init__(
        self, name: str, said: str, labels: Sequence[str], registry: CollectorRegistry, make: Callable[[], C]
    ) -> None:
        self._name, self._said = name, said
        self._make: Callable[[], C] = make
        self._labels = labels
        self._children: dict[tuple[str, ...], C] = {}
        if not labels:
            self.labels()
        registry.register(self)

    def labels(self, *values: str) -> C:
        """What is counted under these label values."""
        child = self._children.get(values)
        if child is None:
            if len(values) != len(self._labels):
                raise ValueError(f"label values {values} for {self._labels}")
            child = self._children[values] = self._make()
        return child


class Counter(_Tally[Number]):
    """A number that only grows."""

    def __init__(
        self, name: str, said: str, labels: Sequence[str] = (), registry: CollectorRegistry = REGISTRY
    ) -> None:
        """Show it as `<name>_total`."""
        super().__init__(name, said, labels, registry, Number)

    def collect(self) -> Iterable[Metric]:
        """Its samples."""
        family = CounterMetricFamily(self._name, self._said, labels=self._labels)
        for values, child in self._children.items():
            family.add_metric(values, child.value, created=child.since)
        return [family]


class Gauge(_Tally[Number]):
    """A number that goes up and down."""

    def __init__(
        self, name: str, said: str, labels: Sequence[str] = (), registry: CollectorRegistry = REGISTRY
    ) -> None:
        """Show it as `name`."""
        super().__init__(name, said, labels, registry, Number)

    def collect(self) -> Iterable[Metric]:
        """Its samples."""
        family = GaugeMetricFamily(self._name, self._said, labels=self._labels)
        for values, child in self._children.items():
            family.add_metric(values, child.value)
        return [family]


class Histogram(_Tally[Spread]):
    """How often what was observed was how much."""

    def __init__(
        self,
        name: str,
        said: str,
        labels: Sequence[str] = (),
        *,
        ends: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        """Show it under `name` with a bucket up to each of `ends`."""
        self._ends = tuple(ends)
        super().__init__(name, said, labels, registry, lambda: Spread(self._ends))

    def collect(self) -> Iterable[Metric]:
        """Its samples."""
        family = HistogramMetricFamily(self._name, self._said, labels=self._labels)
        names = [*map(floatToGoString, self._ends), "+Inf"]
        for values, child in self._children.items():
            reached, buckets = 0, []
            for name, count in zip(names, child.counts, strict=True):
                reached += count
                buckets.append((name, float(reached)))
            family.add_metric(values, buckets, child.total)
            named = dict(zip(self._labels, values, strict=True))
            family.add_sample(f"{self._name}_created", named, child.since)
        return [family]
