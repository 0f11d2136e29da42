"""Whether the services fit the machines, by what the settings promise of these."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from a1platform.bundle import Bundle
from a1platform.platform.selection import NAMES, charts, has_grafana
from a1platform.platform.sizes import CONTAINERS, PASSING, SIDECARS, SYSTEM, Sizing
from a1platform.services.builders.workload import MAX_SURGE
from a1platform.services.model import McpServiceArgs
from a1platform.services.placement import Amount, Pod, less, total, unplaced
from a1platform.settings.model import A1Settings
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.services import ServiceOverride, ServicesSettings

_SYSTEM = Amount(SYSTEM.cpu_milli, SYSTEM.memory_mib, 0)
_ON_EVERY_NODE = frozenset({"node-exporter"})
"""Pods of DaemonSets."""


@dataclass(frozen=True)
class Taken:
    """What others than the services need, at least.

    Attributes:
        each: Of every node: K3s, the host, and the pods of DaemonSets.
        pods: Those that are on one node alone.
    """

    each: Amount = _SYSTEM
    pods: tuple[Pod, ...] = ()

    def of(self, nodes: int) -> Amount:
        """Return what they need of so many nodes together."""
        return total([*[self.each] * nodes, *(pod.needs for pod in self.pods)])


def taken(settings: PlatformSettings, bundle: Bundle | None) -> Taken:
    """Return what K3s and the installed parts need: one pod of everything.

    Args:
        settings: The platform's slice.
        bundle: What everything is installed from, if not from the internet.
    """
    installed, grafana = charts(settings, bundle), has_grafana(settings, bundle)
    every = [one for part in NAMES if part in installed for one in CONTAINERS[part] if one not in PASSING]
    there = [one for one in every if grafana or not one.startswith("grafana")]
    sizing = Sizing(settings.profile, settings.sizes)
    pods: dict[str, Amount] = {}
    for container in there:
        # A sidecar has the name of its pod and one word more.
        name = container.rpartition("-")[0] if container in SIDECARS else container
        size = sizing.size(container)
        needs = Amount(size.cpu_milli, size.memory_mib, 0 if container in SIDECARS else 1)
        pods[name] = total([pods.get(name, total([])), needs])
    each = total([_SYSTEM, *(needs for name, needs in pods.items() if name in _ON_EVERY_NODE)])
    return Taken(each, tuple(Pod(name, needs) for name, needs in pods.items() if name not in _ON_EVERY_NODE))


def fewest(services: Sequence[McpServiceArgs]) -> Amount:
    """Return what the fewest pods of all services need, and those that a rolling update adds for a while.

    No pod goes before the new one is ready (`maxUnavailable: 0`), so where that one has no room, no service
    can be changed any more.

    Args:
        services: The resolved services.
    """
    sizes = [_pod(one).needs for one in services]
    largest = Amount(*(max(one) for one in zip(*sizes, strict=True))) if sizes else total([])
    return total([*(pod.needs for pod in _pods(services)), *[largest] * MAX_SURGE])


def _pods(services: Sequence[McpServiceArgs]) -> list[Pod]:
    return [_pod(one) for one in services for _ in range(one.autoscaling.min_replicas)]


def _pod(one: McpServiceArgs) -> Pod:
    return Pod(one.entry.name, Amount(one.size.cpu_milli, one.size.memory_mib, 1))


@dataclass(frozen=True)
class Room:
    """What the machines have at least; no machine with less passes the preflight.

    Attributes:
        nodes: How many there are.
        each: What each of them has.
        taken: See `Taken`.
    """

    nodes: int
    each: Amount
    taken: Taken

    @staticmethod
    def of(settings: A1Settings, taken: Taken) -> "Room":
        """Return the room on the configured machines that are not lost, or on the sandbox's one node."""
        nodes = sum(not node.is_gone for node in settings.nodes) or 1
        least = settings.preflight
        return Room(nodes, Amount(least.vcpus * 1000, least.memory_mib, settings.k3s.max_pods), taken)

    @property
    def others(self) -> Amount:
        """What others than the services need of all nodes together."""
        return self.taken.of(self.nodes)


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
    return found or list(_sum_problems(services, room)) or _place_problems(services, room)


def _pod_problems(one: McpServiceArgs, settings: ServicesSettings, room: Room) -> Iterator[str]:
    override = settings.overrides.get(one.entry.name, ServiceOverride())
    asked = (
        ("cpuMilli", override.cpu_milli, one.size.cpu_milli, room.each.cpu_milli, "vcpus"),
        ("memoryMib", override.memory_mib, one.size.memory_mib, room.each.memory_mib, "memoryMib"),
    )
    for key, given, amount, limit, promise in asked:
        if amount > limit:
            path = f"overrides.{one.entry.name}.{key}" if given else "profile"
            found = f"{amount}" if given else f"{settings.profile} with {key} {amount} of {one.entry.name}"
            yield f"services.{path}: found {found}, expected at most {limit}, a node by preflight.{promise}"


def _sum_problems(services: Sequence[McpServiceArgs], room: Room) -> Iterator[str]:
    least, each, others = fewest(services), room.each, room.others
    asked = (
        ("pods", least.pods, each.pods, others.pods, "k3s.maxPods"),
        ("cpuMilli", least.cpu_milli, each.cpu_milli, others.cpu_milli, "preflight.vcpus"),
        ("memoryMib", least.memory_mib, each.memory_mib, others.memory_mib, "preflight.memoryMib"),
    )
    for what, amount, has, taken, promise in asked:
        limit = max(0, has * room.nodes - taken)
        if amount > limit:
            nodes = f"{room.nodes} node{'s' if room.nodes > 1 else ''}"
            found = f"found {what} {amount} for the fewest pods of all services and one in a rolling update"
            rest = f"{promise} of {nodes}, less {taken} for the parts and K3s"
            yield f"services.minReplicas: {found}, expected at most {limit}: {rest}"


def _place_problems(services: Sequence[McpServiceArgs], room: Room) -> list[str]:
    """Return a line where a pod fits no node, though all nodes together have room for the sum."""
    free = less(room.each, room.taken.each)
    for one in services:
        pods = [*_pods(services), *[_pod(one)] * MAX_SURGE, *room.taken.pods]
        if pod := unplaced(pods, free, room.nodes):
            needs = f"cpuMilli {pod.needs.cpu_milli} and memoryMib {pod.needs.memory_mib}"
            others = (
                f"the parts, the fewest pods of all services and one of {one.entry.name} in a rolling update"
            )
            each = f"cpuMilli {free.cpu_milli}, memoryMib {free.memory_mib} and pods {free.pods} beside K3s"
            found = f"found no node for a pod of {pod.name} with {needs} among {others}"
            return [f"services.minReplicas: {found}, expected one of {room.nodes}, each with {each}"]
    return []
