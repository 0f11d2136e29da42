"""Whether the services fit the machines, by what the settings promise of these."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from a1platform.services.model import McpServiceArgs
from a1platform.settings.model import A1Settings
from a1platform.settings.services import ServiceOverride, ServicesSettings


@dataclass(frozen=True)
class Room:
    """What the machines have at least; no machine with less passes the preflight.

    Attributes:
        nodes: How many there are.
        cpu_milli: Thousandths of a core of each.
        memory_mib: Memory of each.
        pods: Pods that each takes.
    """

    nodes: int
    cpu_milli: int
    memory_mib: int
    pods: int

    @staticmethod
    def of(settings: A1Settings) -> "Room":
        """Return the room on the configured machines, or on the sandbox's one node."""
        least = settings.preflight
        return Room(len(settings.nodes) or 1, least.vcpus * 1000, least.memory_mib, settings.k3s.max_pods)


def capacity_problems(
    services: Sequence[McpServiceArgs], settings: ServicesSettings, room: Room
) -> list[str]:
    """Return what cannot be placed, even with nothing else on the machines: a pod, or the fewest of all.

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
    fewest = [(one.size, one.autoscaling.min_replicas) for one in services]
    asked = (
        ("pods", sum(count for _, count in fewest), room.pods, "k3s.maxPods"),
        (
            "cpuMilli",
            sum(size.cpu_milli * count for size, count in fewest),
            room.cpu_milli,
            "preflight.vcpus",
        ),
        (
            "memoryMib",
            sum(size.memory_mib * count for size, count in fewest),
            room.memory_mib,
            "preflight.memoryMib",
        ),
    )
    for what, amount, each, promise in asked:
        limit = each * room.nodes
        if amount > limit:
            nodes = f"{room.nodes} node{'s' if room.nodes > 1 else ''}"
            found = f"found {what} {amount} for the fewest pods of all services"
            yield f"services.minReplicas: {found}, expected at most {limit}: {promise} of {nodes}"
