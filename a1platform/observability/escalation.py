"""The escalation path as data, and Alertmanager's routes from it."""

from collections.abc import Mapping
from dataclasses import dataclass

from a1platform.delivery.manifest import Manifest


@dataclass(frozen=True)
class Level:
    """A step of the path.

    Attributes:
        who: Who answers.
        response_minutes: Time to a first answer; 0 means at once.
        repeat: How long until an alert that still fires is told again, as Alertmanager writes durations.
    """

    who: str
    response_minutes: int
    repeat: str


LEVELS: dict[str, Level] = {
    "first": Level("Platform Engineer", 15, "30m"),
    "second": Level("Senior Platform Engineer", 30, "1h"),
    "third": Level("Platform Architect", 60, "2h"),
    "emergency": Level("Emergency Escalation", 0, "15m"),
}
"""By the value of an alert's label `escalation`."""


def alertmanager_config(webhooks: Mapping[str, str] | None = None) -> Manifest:
    """Return Alertmanager's configuration: one receiver and one route for each level.

    Args:
        webhooks: File with the URL to tell, by level; a level without one has a receiver that only shows in
            Alertmanager. A file, since such a URL is as good as a password.

    Returns:
        The value of the chart's `alertmanager.config`.

    Raises:
        ValueError: A webhook names a level that does not exist.
    """
    files = webhooks or {}
    if unknown := sorted(set(files) - set(LEVELS)):
        raise ValueError(f"webhooks: {', '.join(unknown)} is no level; {', '.join(LEVELS)} are")
    return {
        "route": {
            "receiver": "first",
            "group_by": ["alertname", "service"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [_route(name, level) for name, level in LEVELS.items()],
        },
        "receivers": [_receiver(name, files.get(name)) for name in LEVELS],
        "inhibit_rules": [
            {
                "source_matchers": ['escalation = "emergency"'],
                "target_matchers": ['escalation != "emergency"'],
                "equal": ["namespace", "service"],
            }
        ],
    }


def _route(name: str, level: Level) -> Manifest:
    return {
        "receiver": name,
        "matchers": [f'escalation = "{name}"'],
        "group_wait": "0s" if level.response_minutes == 0 else "30s",
        "repeat_interval": level.repeat,
    }


def _receiver(name: str, file: str | None) -> Manifest:
    return {"name": name} | ({"webhook_configs": [{"url_file": file, "send_resolved": True}]} if file else {})
