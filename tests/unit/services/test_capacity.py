"""The fewest pods of the services fit the nodes beside K3s and the parts, each pod on one node."""

from typing import Any

import pytest

from a1platform.platform.sizes import SIDECARS, SYSTEM, Sizing
from a1platform.services.capacity import Room, Taken, capacity_problems, taken
from a1platform.services.placement import Amount, Pod
from a1platform.services.resolve import resolve
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.services import ServicesSettings

# Two of these and one more in a rolling update; the other services are small.
LARGE: dict[str, Any] = {
    "minReplicas": 1,
    "overrides": {"mcp-gateway": {"minReplicas": 2, "memoryMib": 1100}},
}
OFF = {part: {"enabled": False} for part in ("gatekeeper", "externalSecrets", "keda", "argoCd", "monitoring")}


def _problems(nodes: int, memory_mib: int, *parts: Pod) -> list[str]:
    settings = ServicesSettings.model_validate(LARGE)
    room = Room(nodes, Amount(8000, SYSTEM.memory_mib + memory_mib, 50), Taken(pods=parts))
    return capacity_problems(resolve(settings), settings, room)


def test_pods_that_only_the_sum_of_the_nodes_has_room_for_are_refused_with_the_key_and_the_numbers() -> None:
    assert _problems(1, 4096) == [], "the sum fits"
    [told] = _problems(2, 2048)
    assert told == (
        "services.minReplicas: found no node for a pod of mcp-gateway with cpuMilli 80 and memoryMib 1100 "
        "among the parts, the fewest pods of all services and one of mcp-gateway in a rolling update, "
        "expected one of 2, each with cpuMilli 7800, memoryMib 2048 and pods 50 beside K3s"
    )
    assert _problems(3, 2048) == []


def test_a_pod_of_a_part_takes_the_room_of_a_node_too() -> None:
    prometheus = Pod("prometheus", Amount(100, 1500, 1))
    assert _problems(3, 2048) == []
    [told] = _problems(3, 2048, prometheus)
    assert told.startswith("services.minReplicas: found no node for a pod of mcp-gateway")
    assert _problems(4, 2048, prometheus) == []


def test_every_node_carries_the_system_and_the_pods_of_daemon_sets() -> None:
    alone = taken(PlatformSettings.model_validate(OFF), None)
    assert alone == Taken(Amount(SYSTEM.cpu_milli, SYSTEM.memory_mib, 0), ())
    parts = taken(PlatformSettings(), None)
    exporter = Sizing(PlatformSettings().profile).size("node-exporter")
    assert parts.each == Amount(
        SYSTEM.cpu_milli + exporter.cpu_milli, SYSTEM.memory_mib + exporter.memory_mib, 1
    )
    one, three = (Room(nodes, Amount(8000, 15000, 50), parts).others for nodes in (1, 3))
    assert three.memory_mib - one.memory_mib == 2 * parts.each.memory_mib
    assert three.pods - one.pods == 2


@pytest.mark.parametrize("grafana", [True, False])
def test_a_sidecar_is_placed_with_its_pod(grafana: bool) -> None:  # noqa: FBT001
    settings = PlatformSettings.model_validate({"monitoring": {"grafana": grafana}})
    sizing = Sizing(settings.profile)
    pods = {pod.name: pod.needs for pod in taken(settings, None).pods}
    assert SIDECARS.isdisjoint(pods)
    assert ("grafana" in pods) == grafana
    main, sidecar = sizing.size("prometheus"), sizing.size("prometheus-reloader")
    wanted = Amount(main.cpu_milli + sidecar.cpu_milli, main.memory_mib + sidecar.memory_mib, 1)
    assert pods["prometheus"] == wanted
    assert {needs.pods for needs in pods.values()} == {1}
