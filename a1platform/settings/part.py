"""What the settings of every third-party part have in common."""

from typing import Annotated

from pydantic import Field, JsonValue

from a1platform.settings.base import Settings

ChartRepository = Annotated[
    str, Field(pattern=r"^(https?|oci)://\S+$", examples=["https://charts.example.com"])
]
Quantity = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Mi|Gi|Ti)$", examples=["10Gi"])]
Replicas = Annotated[int, Field(ge=1, le=5)]
"""Pods that do the same. Several have a disruption budget, so that one stays while a node is drained."""
Period = Annotated[str, Field(pattern=r"^[1-9][0-9]*[hdwy]$", examples=["15d"])]


class PartSettings(Settings):
    """What every part has; a part that is off needs nothing else.

    Attributes:
        enabled: Whether it is installed.
        repository: Chart repository in place of the official one, such as a mirror; `oci://` with the folder
            of the charts where it is a registry.
        timeout: Seconds that its pods may take to get ready; then it is taken back, or rolled back.
        values: Chart values of the site's own, merged last.
    """

    enabled: bool = True
    repository: ChartRepository | None = None
    timeout: int = Field(default=600, ge=60, le=3600)
    values: dict[str, JsonValue] = Field(default_factory=dict)
