"""What the namespace of the services may take: enough for each of them at full scale, and within a node."""

import math
import re
from pathlib import Path

import pytest

from a1platform.delivery.manifest import Manifest
from a1platform.platform.sizes import OPTIONAL, SIZES, SYSTEM
from a1platform.services.builders import service_objects
from a1platform.services.builders.quota import full_scale
from a1platform.services.model import McpServiceArgs
from a1platform.services.resolve import resolve
from a1platform.services.shared import shared_objects
from a1platform.settings.node import PreflightSettings
from a1platform.settings.services import Profile, QuotaSettings, ServicesSettings

PROFILES = pytest.mark.parametrize("profile", Profile)
PARTS = [sizes for name, sizes in SIZES.items() if name not in OPTIONAL]
SYSTEM_MIB, SYSTEM_MILLI = SYSTEM.memory_mib, 500
"""K3s itself, its own pods and the host."""
DOCS = Path(__file__).parents[3] / "docs" / "services.md"


def _services(profile: Profile = Profile.SMALL, **settings: object) -> tuple[McpServiceArgs, ...]:
    return resolve(ServicesSettings.model_validate({"profile": profile, **settings}))


def _spec(services: tuple[McpServiceArgs, ...], kind: str, room: QuotaSettings | None = None) -> Manifest:
    (found,) = [one["spec"] for one in shared_objects(services, room) if one["kind"] == kind]
    return dict(found)


def _amount(quantity: str) -> float:
    """Return a quantity in cores or bytes."""
    found = re.fullmatch(r"(\d+)(m|Mi|Gi)?", quantity)
    assert found is not None, quantity
    return int(found[1]) * {None: 1, "m": 0.001, "Mi": 2**20, "Gi": 2**30}[found[2]]


def _resources(service: McpServiceArgs) -> tuple[int, Manifest]:
    """Return its most pods in a rollout, of which one ends, and what each asks for, as its objects say."""
    objects = {one["kind"]: one["spec"] for one in service_objects(service) if "spec" in one}
    deployment, scaled = objects["Deployment"], objects.get("ScaledObject")
    most = scaled["maxReplicaCount"] if scaled else objects["HorizontalPodAutoscaler"]["maxReplicas"]
    (container,) = deployment["template"]["spec"]["containers"]
    return most + deployment["strategy"]["rollingUpdate"]["maxSurge"] + 1, container["resources"]


@PROFILES
def test_every_service_gets_all_its_pods_at_the_same_time_and_not_one_more_fits(profile: Profile) -> None:
    services = _services(profile)
    hard = _spec(services, "ResourceQuota")["hard"]
    asked = [_resources(one) for one in services]
    assert {most for most, _ in asked} == {12}
    assert int(hard["pods"]) == sum(most for most, _ in asked)
    for kind in ("requests", "limits"):
        for resource in ("cpu", "memory"):
            wanted = sum(most * _amount(each[kind][resource]) for most, each in asked)
            assert _amount(hard[f"{kind}.{resource}"]) == pytest.approx(wanted)


def test_the_quota_and_all_of_the_platform_fit_the_node_that_the_preflight_asks_for() -> None:
    node, hard = PreflightSettings(), _spec(_services(), "ResourceQuota")["hard"]
    parts = [sizes[Profile.SMALL] for sizes in PARTS]
    memory = _amount(hard["requests.memory"]) / 2**20 + sum(one.memory_mib for one in parts) + SYSTEM_MIB
    milli = _amount(hard["requests.cpu"]) * 1000 + sum(one.cpu_milli for one in parts) + SYSTEM_MILLI
    assert memory <= node.memory_mib
    assert milli <= node.vcpus * 1000


@PROFILES
def test_the_limit_of_a_container_admits_every_container_of_the_catalog(profile: Profile) -> None:
    (limit,) = _spec(_services(profile), "LimitRange")["limits"]
    for service in _services(profile):
        _, asked = _resources(service)
        for resource in ("cpu", "memory"):
            assert _amount(asked["limits"][resource]) <= _amount(limit["max"][resource])
            assert 0 < _amount(limit["min"][resource]) <= _amount(asked["requests"][resource])
    for resource in ("cpu", "memory"):
        default, request = limit["default"][resource], limit["defaultRequest"][resource]
        assert _amount(request) <= _amount(default) <= _amount(limit["max"][resource])


def test_an_override_raises_the_quota_and_the_limit_with_it() -> None:
    large = {"mcp-gateway": {"memoryMib": 2048, "cpuMilli": 3000, "maxReplicas": 20}}
    services = _services(overrides=large)
    before, after = (_spec(one, "ResourceQuota")["hard"] for one in (_services(), services))
    assert int(after["pods"]) == int(before["pods"]) + 10
    assert _amount(after["requests.memory"]) > _amount(before["requests.memory"])
    (limit,) = _spec(services, "LimitRange")["limits"]
    assert limit["max"] == {"cpu": "3", "memory": "2Gi"}


def test_a_site_can_have_room_beside_the_services_or_no_quota() -> None:
    services = _services()
    assert _spec(services, "ResourceQuota", QuotaSettings(spare_percent=50))["hard"]["pods"] == "108"
    kinds = {one["kind"] for one in shared_objects(services, QuotaSettings(enabled=False))}
    assert not kinds & {"ResourceQuota", "LimitRange"}


@PROFILES
def test_the_documents_tell_how_many_nodes_full_scale_takes(profile: Profile) -> None:
    node, total = PreflightSettings(), full_scale(_services(profile))
    milli = total.size.cpu_milli + sum(sizes[profile].cpu_milli for sizes in PARTS)
    mib = total.size.memory_mib + sum(sizes[profile].memory_mib for sizes in PARTS)
    nodes = max(
        math.ceil((milli + SYSTEM_MILLI) / (node.vcpus * 1000)),
        math.ceil((mib + SYSTEM_MIB) / node.memory_mib),
    )
    cpu, memory = f"{total.size.cpu_milli / 1000:.1f}", f"{total.size.memory_mib / 1024:.1f} GiB"
    row = f"| `{profile}` | {total.pods} | {cpu} | {memory} | {nodes} |"
    assert row in DOCS.read_text(encoding="utf-8")
