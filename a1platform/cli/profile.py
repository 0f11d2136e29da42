"""How large the third-party parts are to be on machines that are configured for the first time."""

import math
from collections.abc import Iterator, Sequence

from a1platform.node.facts import HostFacts
from a1platform.services.capacity import fewest, taken
from a1platform.services.resolve import resolve
from a1platform.settings.node import PreflightSettings
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.services import Profile, ServicesSettings

_Row = tuple[str, int, int]
"""What is looked at, how much of it there is, and how much `standard` asks for."""


def fitting(
    machines: Sequence[HostFacts], platform: PlatformSettings, services: ServicesSettings
) -> tuple[Profile, str]:
    """Return the larger profile where the machines have room for it, and why it is this one.

    Args:
        machines: What the machines have.
        platform: The parts, of whichever profile.
        services: The services, which have to fit beside them.
    """
    rows = [*_rows(machines, platform, services)]
    lacking = [row for row in rows if row[1] < row[2]]
    why = "; ".join(f"{what}: {there}, standard asks for {asked}" for what, there, asked in lacking or rows)
    return Profile.SMALL if lacking else Profile.STANDARD, why


def _rows(
    machines: Sequence[HostFacts], platform: PlatformSettings, services: ServicesSettings
) -> Iterator[_Row]:
    """Yield what pods are placed by, and the disk, of which nobody keeps a pod from taking too much.

    Without a look at the bundle: what that leaves out is room to spare.
    """
    parts = taken(platform.model_copy(update={"profile": Profile.STANDARD}), None).of(len(machines))
    least = fewest(resolve(services) if services.enabled else ())
    yield "memory in MiB", sum(one.memory_mib for one in machines), parts.memory_mib + least.memory_mib
    cpu = math.ceil((parts.cpu_milli + least.cpu_milli) / 1000)
    yield "vCPUs", sum(one.vcpus for one in machines), cpu
    # The usual machine's: room for K3s, the images, and the profile's volumes, which may be on any of them.
    yield "free disk in MiB", min(one.disk_mib for one in machines), PreflightSettings().disk_mib
