"""Service level objectives: the numbers that rules, dashboards and smoke checks share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Slo:
    """What a service promises.

    Attributes:
        availability: Share of requests that do not fail on our side, over 30 days.
        p95_seconds: 95 of 100 requests are answered within this time.
        p99_seconds: 99 of 100 requests are answered within this time.
        error_ratio: Highest share of failed requests over 5 minutes under normal load.
    """

    availability: float = 0.999
    p95_seconds: float = 0.5
    p99_seconds: float = 1.0
    error_ratio: float = 0.01

    @property
    def error_budget(self) -> float:
        """Share of requests that may fail over 30 days."""
        return round(1 - self.availability, 9)


@dataclass(frozen=True)
class Objective:
    """One service and its promise.

    Attributes:
        service: Name of the service, which is the `job` of its targets.
        role: Its `role` in the metrics.
        slo: See `Slo`.
        critical: Whether an outage of it stops the calls of every client.
    """

    service: str
    role: str
    slo: Slo
    critical: bool


@dataclass(frozen=True)
class BurnWindow:
    """How fast the error budget may burn before somebody is told (Google's SRE workbook, chapter 5).

    Attributes:
        name: Part of the alert's name.
        long: Window that shows the damage is real.
        short: Window that shows it is still going on.
        factor: Multiple of the rate at which the budget would last exactly 30 days.
        level: Key of `escalation.LEVELS`.
    """

    name: str
    long: str
    short: str
    factor: float
    level: str


BURN_WINDOWS = (
    BurnWindow("Fast", "1h", "5m", 14.4, "emergency"),
    BurnWindow("Slow", "6h", "30m", 6, "first"),
)
WINDOWS = ("5m", "30m", "1h", "6h")
"""Every window that an alert looks at; each is one recorded ratio."""
