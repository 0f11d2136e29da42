"""Whether the services fit the machines, by what the settings promise of these."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from a1platform.bundle import Bundle
from a1platform.platform.selection import NAMES, charts, has_grafana
from a1platform.platform.sizes import CONTAINERS, PASSING, SIDECARS, SYSTEM, Sizing
from a1platform.services.builders.workload import MAX_SURGE
from a1platform.services.model import McpServiceArgs
from a1platform.settings.model import A1Settings
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.services import ServiceOverride, ServicesSettings


@dataclass(frozen=True)
class Taken:
    """What something needs of all machines together, at least; others than the services by default.

    Attributes:
        cpu_milli: Thousandths of a core.
        memory_mib: Memory.
        pods: Pods.
    """

    cpu_milli: int = SYSTEM.cpu_milli
    memory_mib: int = SYSTEM.memory_mib
    pods: int = 0


def taken(settings: PlatformSettings, bundle: Bundle | None) -> Taken:
    """Return what K3s and the installed parts need: one pod of everything.

    Args:
        settings: The platform's slice.
        bundle: What everything is installed from, if not from the internet.
    """
    installed, grafana = charts(settings, bundle), has_grafana(settings, bundle)
    every = [one for part in NAMES if part in installed for one in CONTAINERS[part] if one not in PASSING]
    there = [one for one in every if grafana or not one.startswith("grafana")]
    sizes = [Sizing(settings.profile, settings.sizes).size(one) for one in there]
    return Taken(
        SYSTEM.cpu_milli + sum(one.cpu_milli for one in sizes),
        SYSTEM.memory_mib + sum(one.memory_mib for one in sizes),
        len(set(there) - SIDECARS),
    )


def fewest(services: Sequence[McpServiceArgs]) -> Taken:
    """Return what the fewest pods of all services need, and those that a rolling update adds for a while.

    No pod goes before the new one is ready (`maxUnavailable: 0`), so where that one has no room, no service
    can be changed any more.

    Args:
        services: The resolved services.
    """
    counted = [(one.size, one.autoscaling.min_replicas) for one in services]
    most_cpu = max((size.cpu_milli for size, _ in counted), default=0)
    most_memory = max((size.memory_mib for size, _ in counted), default=0)
    return Taken(
        sum(size.cpu_milli * count for size, count in counted) + MAX_SURGE * most_cpu,
        sum(size.memory_mib * count for size, count in counted) + MAX_SURGE * most_memory,
        sum(count for _, count in counted) + MAX_SURGE,
    )


@dataclass(frozen=True)
class Room:
    """What the machines have at least; no machine with less passes the preflight.

    Attributes:
        nodes: How many there are.
        cpu_milli: Thousandths of a core of each.
        memory_mib: Memory of each.
        pods: Pods that each takes.
        taken: See `Taken`.
    """

    nodes: int
    cpu_milli: int
    memory_mib: int
    pods: int
    taken: Taken

    @staticmethod
    def of(settings: A1Settings, taken: Taken) -> "Room":
        """Return the room on the configured machines that are not lost, or on the sandbox's one node."""
        nodes = sum(not node.is_gone for node in settings.nodes) or 1
        least = settings.preflight
        return Room(nodes, least.vcpus * 1000, least.memory_mib, settings.k3s.max_pods, taken)


def capacity_problems(
    services: Sequence[McpServiceArgs], settings: ServicesSettings, room: Room
) -> list[str]:
    """Return what cannot be placed: a pod on an empty machine, or the fewest of all beside the parts.

    Args:
        services: The resolved services.
        settings: What they were resolved from.
        room: What there is.
    """
    found = [line for one in services for line in _pod_problems(one, settings, room)]
    return found or list(_sum_problems(services, room))


def _pod_problems(one: McpServiceArgs, settings: ServicesSettings, room: Room) -> Iterator[str]:
    override = settings.overrides.get(one.entry.name, ServiceOverride())
    asked = (
        ("cpuMilli", override.cpu_milli, one.size.cpu_milli, room.cpu_milli, "vcpus"),
        ("memoryMib", override.memory_mib, one.size.memory_mib, room.memory_mib, "memoryMib"),
    )
    for key, given, amount, limit, promise in asked:
        if amount > limit:
            path = f"overrides.{one.entry.name}.{key}" if given else "profile"
            found = f"{amount}" if given else f"{settings.profile} with {key} {amount} of {one.entry.name}"
            yield f"services.{path}: found {found}, expected at most {limit}, a node by preflight.{promise}"


def _sum_problems(services: Sequence[McpServiceArgs], room: Room) -> Iterator[str]:
    least, taken = fewest(services), room.taken
    asked = (
        ("pods", least.pods, room.pods, taken.pods, "k3s.maxPods"),
        ("cpuMilli", least.cpu_milli, room.cpu_milli, taken.cpu_milli, "preflight.vcpus"),
        ("memoryMib", least.memory_mib, room.memory_mib, taken.memory_mib, "preflight.memoryMib"),
    )
    for what, amount, each, others, promise in asked:
        limit = max(0, each * room.nodes - others)
        if amount > limit:
            nodes = f"{room.nodes} node{'s' if room.nodes > 1 else ''}"
            found = f"found {what} {amount} for the fewest pods of all services and one in a rolling update"
            less = f"{promise} of {nodes}, less {others} for the parts and K3s"
            yield f"services.minReplicas: {found}, expected at most {limit}: {less}"
