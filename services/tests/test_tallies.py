"""What is counted in plain numbers is shown as prometheus_client shows its own."""

import prometheus_client
import pytest
from mcp_services.core import tallies
from prometheus_client import CollectorRegistry, generate_latest

_ENDS = (0.0025, 0.5, 1.0, 30.0)
_SEEN = (0.001, 0.0025, 0.3, 0.5, 0.50001, 30.0, 31.0)


def shown(registry: CollectorRegistry) -> list[str]:
    """The lines of an exposition, without the times at which something began."""
    return [
        line.rpartition(" ")[0] if "_created" in line else line
        for line in generate_latest(registry).decode().splitlines()
    ]


def test_the_exposition_is_the_librarys() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    for kind, registry in ((tallies, ours), (prometheus_client, theirs)):
        counter = kind.Counter("mcp_calls", "Calls.", ("role", "of"), registry=registry)
        for of in ("a", "b", 'c"\n\\'):
            counter.labels("x", of).inc()
        counter.labels("x", "a").inc(2)
        gauge = kind.Gauge("mcp_at_once", "At once.", ("role",), registry=registry)
        gauge.labels("x").inc(3)
        gauge.labels("x").dec()
    for ends, registry in (("ends", ours), ("buckets", theirs)):
        kind = tallies if ends == "ends" else prometheus_client
        timed = kind.Histogram("mcp_seconds", "Time.", ("role",), registry=registry, **{ends: _ENDS})
        alone = kind.Histogram("mcp_alone_seconds", "Time.", registry=registry, **{ends: _ENDS})
        for value in _SEEN:
            timed.labels("x").observe(value)
            (alone.labels() if kind is tallies else alone).observe(value)
    assert shown(ours) == shown(theirs)


def test_what_is_never_counted_is_named_and_what_has_no_labels_is_shown_from_the_start() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    for kind, registry in ((tallies, ours), (prometheus_client, theirs)):
        kind.Counter("mcp_calls", "Calls.", ("role",), registry=registry)
        kind.Counter("mcp_alone", "Calls.", registry=registry)
    tallies.Histogram("mcp_seconds", "Time.", ends=_ENDS, registry=ours)
    prometheus_client.Histogram("mcp_seconds", "Time.", buckets=_ENDS, registry=theirs)
    assert shown(ours) == shown(theirs)


def test_labels_that_are_not_all_there_are_a_mistake() -> None:
    counter = tallies.Counter("mcp_calls", "Calls.", ("role", "of"), registry=CollectorRegistry())
    with pytest.raises(ValueError, match="label values"):
        counter.labels("x")
