"""What a machine cannot carry is told before anything is built for it, with the way out."""

import pytest

from a1platform.bundle import BundleError
from sandbox import stack_settings
from sandbox.capacity import require_capacity


@pytest.mark.parametrize(
    ("vcpus", "mib", "lacking"),
    [
        (2, 3900, r"MiB of memory, this machine has 3900"),
        (1, 16000, r"thousandths of a core, this machine has 1000"),
        (1, 3900, r"of a core, this machine has 1000; \d+ MiB of memory, this machine has 3900"),
    ],
)
def test_a_machine_without_room_is_refused_with_what_it_lacks_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch, vcpus: int, mib: int, lacking: str
) -> None:
    monkeypatch.setattr(stack_settings, "machine", lambda: {"vcpus": vcpus, "memoryMib": mib})
    with pytest.raises(BundleError, match=rf"{lacking}: choose fewer.* PARTS=keda,argo-cd"):
        require_capacity(None)


@pytest.mark.parametrize(
    ("vcpus", "mib", "parts"),
    [
        (2, 7000, None),
        (2, 7000, ["+tracing"]),
        # As the message says.
        (1, 3900, ["keda", "argo-cd"]),
        # The parts without the services: docs/platform.md.
        (2, 4000, ["gatekeeper", "external-secrets", "keda", "argo-cd", "monitoring"]),
    ],
)
def test_what_fits_is_let_through(
    monkeypatch: pytest.MonkeyPatch, vcpus: int, mib: int, parts: list[str] | None
) -> None:
    monkeypatch.setattr(stack_settings, "machine", lambda: {"vcpus": vcpus, "memoryMib": mib})
    require_capacity(parts)


def test_fewer_parts_leave_the_services_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_settings, "machine", lambda: {"vcpus": 2, "memoryMib": 3900})
    require_capacity(["mcp-services"])
    with pytest.raises(BundleError, match="MiB of memory"):
        require_capacity(["mcp-services", "monitoring", "argo-cd"])
