"""The parts get the sizes of real nodes where the machines have room for them, and else the small ones."""

from typing import Any

import pytest

from a1platform.cli.profile import fitting
from a1platform.services.capacity import fewest, taken
from a1platform.services.resolve import resolve
from a1platform.settings.node import PreflightSettings
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.services import Profile, ServicesSettings
from tests.unit.node.conftest import facts

_NONE = ServicesSettings.model_validate({"enabled": False})


def _asked(services: ServicesSettings) -> int:
    """Return the memory in MiB that all of it asks for in `standard`."""
    parts = taken(PlatformSettings.model_validate({"profile": "standard"}), None).of(1)
    least = fewest(resolve(services) if services.enabled else ())
    return parts.memory_mib + least.memory_mib


def _chosen(
    *machines: dict[str, str],
    platform: dict[str, Any] | None = None,
    services: ServicesSettings | None = None,
) -> tuple[Profile, str]:
    return fitting(
        [facts(**one) for one in machines],
        PlatformSettings.model_validate(platform or {}),
        services or ServicesSettings(),
    )


def test_a_machine_of_sixteen_gigabytes_gets_the_sizes_of_real_nodes() -> None:
    memory = _asked(ServicesSettings())
    profile, why = _chosen({"memory_mib": "15900"})
    assert profile is Profile.STANDARD
    assert f"memory in MiB: 15900, standard asks for {memory}" in why


def test_whatever_passes_the_preflight_of_the_defaults_has_room() -> None:
    least = PreflightSettings()
    host = {"memory_mib": least.memory_mib, "vcpus": least.vcpus, "disk_mib": least.disk_mib}
    assert _chosen({key: str(value) for key, value in host.items()})[0] is Profile.STANDARD


@pytest.mark.parametrize(
    ("fact", "value", "what"),
    [
        ("memory_mib", "8000", "memory in MiB"),
        ("vcpus", "2", "vCPUs"),
        ("disk_mib", "9000", "free disk in MiB"),
    ],
)
def test_what_is_missing_for_them_is_told_and_nothing_else(fact: str, value: str, what: str) -> None:
    profile, why = _chosen({fact: value})
    assert profile is Profile.SMALL
    assert why.startswith(f"{what}: {value}, standard asks for ")
    assert ";" not in why


def test_it_takes_all_that_is_asked_for_and_no_more() -> None:
    memory = _asked(_NONE)
    assert _chosen({"memory_mib": str(memory)}, services=_NONE)[0] is Profile.STANDARD
    assert _chosen({"memory_mib": str(memory - 1)}, services=_NONE)[0] is Profile.SMALL


def test_several_machines_share_what_is_asked_for() -> None:
    one = {"memory_mib": "4000", "vcpus": "2"}
    assert _chosen(one, services=_NONE)[0] is Profile.SMALL
    assert _chosen(one, one, one, services=_NONE)[0] is Profile.STANDARD


def test_a_part_that_is_off_and_a_container_of_another_size_count() -> None:
    memory = _asked(_NONE)
    host = {"memory_mib": str(memory)}
    larger = {"sizes": {"prometheus": {"memoryMib": 4096}}}
    assert _chosen(host, platform=larger, services=_NONE)[0] is Profile.SMALL
    one_off = {**larger, "argoCd": {"enabled": False}}
    assert _chosen(host, platform=one_off, services=_NONE)[0] is Profile.SMALL
    off = {"monitoring": {"enabled": False}, "argoCd": {"enabled": False}}
    assert _chosen({"memory_mib": "6000"}, platform=off, services=_NONE)[0] is Profile.STANDARD
