"""What the deployed platform asks for and uses, by part, and what the chain of services carries."""

import json
import secrets
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import kr8s
import pytest
from kr8s.objects import HorizontalPodAutoscaler, Node, Pod, new_class

from a1platform.platform import namespaces
from a1platform.services.catalog import GATEWAY
from a1platform.services.model import HTTP_PORT
from a1platform.services.resolve import NAMESPACE
from a1platform.settings.services import Profile
from tests.bench.conftest import Figures, Platform, compared, empty_program
from tests.bench.deployed import api, outputs
from tests.sandbox.deployment import UP
from tests.smoke.conftest import listed
from tests.smoke.pods import program_pod, services_image
from tests.smoke.rest import Manifest, Rest
from tests.smoke.wait import eventually

__all__ = ["api", "outputs"]

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

_POD_MIB = 200
_SMALL_CPU_MILLI, _SMALL_USED_MIB = 1600, 4096
_SMALL_REQUESTED_MIB = 5468
"""As docs/platform.md has it, of everything with Grafana."""
_PARTS_MIB = {Profile.SMALL: 2560, Profile.STANDARD: 5120}
_LOOKED_AT_SECONDS = 15
_UP_AGAINST_PART = 1.3
_NO_CHANGE_AGAINST_EMPTY = 4.0
_PARTS = {name: part for part, names in namespaces.PARTS.items() for name in names} | {
    "kube-system": "K3s's own pods",
    NAMESPACE: "services",
}
_LOAD = Path(__file__).with_name("load.py")
_UNITS = {"Ki": 1 / 1024, "Mi": 1.0, "Gi": 1024.0, "k": 1000 / 2**20, "M": 1e6 / 2**20, "G": 1e9 / 2**20}

PodMetrics = new_class("PodMetrics", "metrics.k8s.io/v1beta1", asyncio=False, plural="pods")


def test_all_parts_together_fit_what_their_profile_is_made_for(api: kr8s.Api, figures: Figures) -> None:
    profile = _profile(api)
    small = profile is Profile.SMALL
    assert eventually(lambda: _above_the_least(api), 900, wanted=lambda seen: not seen, every=10) == []
    requested = _requested(api)
    used: dict[str, float] = defaultdict(float)
    for pod in listed(PodMetrics, api, namespace=kr8s.ALL):
        used[_part(pod.namespace)] += sum(_mib(one["usage"]["memory"]) for one in pod.raw["containers"])
    for part in sorted(requested.keys() | used.keys()):
        cpu, memory = requested.get(part, (0.0, 0.0))
        figures.lines.append(
            f"{part:18} requests {cpu:5.0f} m CPU and {memory:5.0f} MiB, uses {used[part]:5.0f} MiB"
        )
    with Rest.of(api) as rest:
        nodes = [rest.node_memory(node.name) for node in listed(Node, api)]
    whole, with_files = (sum(node[key] for node in nodes) / 2**20 for key in ("rssBytes", "workingSetBytes"))
    beside = with_files - sum(used.values())
    figures.lines.append(
        f"{'K3s and the system':18} use {beside:5.0f} MiB beside the pods, files in use included"
    )
    others = {"kube-system", NAMESPACE}
    parts = sum(used[part] for part in {_part(one) for one in _PARTS if one not in others})
    what = f"memory that the platform's parts use at rest in the profile {profile.value}"
    assert figures.amount(what, round(parts), "MiB", _PARTS_MIB[profile])
    cpu, memory = (round(sum(one[at] for one in requested.values())) for at in (0, 1))
    what = "CPU that all pods request"
    assert figures.amount(what, cpu, "thousandths of a core", _SMALL_CPU_MILLI if small else None)
    what = "memory that all pods request"
    assert figures.amount(what, memory, "MiB", _SMALL_REQUESTED_MIB if small else None)
    figures.amount("memory in use on all nodes, files in use included", round(with_files), "MiB")
    what = "memory in use on all nodes"
    assert figures.amount(what, round(whole), "MiB", _SMALL_USED_MIB if small else None)


def _profile(api: kr8s.Api) -> Profile:
    """Return the profile that is deployed: in `standard` the pods of the parts are Guaranteed."""
    others = {"kube-system", NAMESPACE}
    pods = [one for one in listed(Pod, api, namespace=kr8s.ALL) if one.namespace in _PARTS.keys() - others]
    # A single container of a size of its own may be the exception.
    guaranteed = sum(one.raw["status"]["qosClass"] == "Guaranteed" for one in pods)
    return Profile.STANDARD if guaranteed > len(pods) / 2 else Profile.SMALL


def test_everything_takes_little_longer_than_k3s_and_the_slowest_part(
    platform: Platform, api: kr8s.Api, figures: Figures
) -> None:
    if platform.seconds is None:
        pytest.skip("the platform was there before: `make down` first")
    for part, alone in sorted(platform.alone.items()):
        figures.lines.append(f"warm up of K3s and {part} alone {alone:.1f} s, on cores that nobody shares")
    node = max(_became_ready(one) for one in listed(Node, api))
    healthy: dict[str, datetime] = {}
    for pod in listed(Pod, api, namespace=kr8s.ALL):
        if pod.namespace in _PARTS and pod.namespace not in {"kube-system", NAMESPACE}:
            part = _part(pod.namespace)
            healthy[part] = max(_became_ready(pod), healthy.get(part, node))
    for part, when in sorted(healthy.items(), key=lambda one: one[1]):
        figures.lines.append(f"{part:18} healthy {(when - node).total_seconds():3.0f} s after K3s")
    slowest, last = max(healthy.items(), key=lambda one: one[1])
    figures.amount("K3s to Ready in a warm up", (node - platform.began).total_seconds(), "s")
    beside = (last - platform.began).total_seconds()
    what = f"K3s to Ready and {slowest} to healthy"
    assert figures.ratio("warm up from no node", platform.seconds, what, beside, _UP_AGAINST_PART)


def _became_ready(one: Node | Pod) -> datetime:
    conditions = {condition["type"]: condition for condition in one.raw["status"]["conditions"]}
    return datetime.fromisoformat(conditions["Ready"]["lastTransitionTime"])


def test_a_run_without_changes_costs_at_most_four_empty_programs(
    platform: Platform, tmp_path: Path, figures: Figures
) -> None:
    empty = empty_program(platform.stack, tmp_path)
    ours, theirs = compared(lambda: platform.stack.read(*UP, "--expect-no-changes"), lambda: empty.read(*UP))
    what = "up without changes, everything in place"
    assert figures.ratio(what, ours, "an empty program", theirs, _NO_CHANGE_AGAINST_EMPTY)


@pytest.fixture
def loaded(api: kr8s.Api, outputs: dict[str, str]) -> Iterator[tuple[Rest, Manifest]]:
    """A pod that loads the gateway from a namespace of its own, which goes with it."""
    name = f"a1-bench-{secrets.token_hex(4)}"
    space: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    held = {"API_KEY": outputs["apiKey"], "URL": f"http://{GATEWAY}.{NAMESPACE}:{HTTP_PORT}/mcp"}
    where = {"name": "load", "namespace": name}
    secret: Manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": where, "stringData": held}
    pod = program_pod(where, services_image(api), _LOAD.read_text(encoding="utf-8"))
    with Rest.of(api) as rest, rest.applied(space, secret, pod):
        yield rest, pod


def test_the_chain_under_load_is_measured(
    loaded: tuple[Rest, Manifest], api: kr8s.Api, figures: Figures
) -> None:
    rest, pod = loaded
    before = _taken(rest, api)

    def phase() -> str:
        found = rest.get(pod)
        return str(found["status"]["phase"]) if found else ""

    ended = eventually(phase, 300, wanted=lambda seen: seen in {"Succeeded", "Failed"}, every=2)
    said = rest.log(pod)
    assert ended == "Succeeded", said[-2000:]
    seen = json.loads(said.splitlines()[-1])
    steady, limit = seen["steady"], seen["limit"]
    figures.lines.append(f"chain at 50 req/s, answers other than 200 by status: {steady['other'] or 'none'}")
    for share in ("p50", "p95", "p99"):
        figures.amount(f"chain at 50 req/s, {share.upper()}", round(steady[share], 1), "ms")
    figures.amount("chain at its limit, 32 connections", round(limit["rate"], 1), "req/s")
    figures.amount("chain at its limit, P95", round(limit["p95"], 1), "ms")
    # The kubelet looks at each container every ten seconds or so.
    time.sleep(_LOOKED_AT_SECONDS)
    after = _taken(rest, api)
    largest: dict[str, float] = defaultdict(float)
    spent: dict[str, float] = defaultdict(float)
    for (service, name), (cpu, mib) in after.items():
        spent[service] += cpu - before.get((service, name), (0.0, 0.0))[0]
        largest[service] = max(largest[service], mib)
    for service, cpu in sorted(spent.items()):
        each = cpu / seen["calls"] * 1000
        figures.lines.append(
            f"{service:20} {each:5.2f} ms of CPU a call, what the autoscaler started included, "
            f"{largest[service]:4.0f} MiB in its largest pod"
        )
    assert figures.amount(
        "memory of the largest pod under load", round(max(largest.values())), "MiB", _POD_MIB
    )


def _taken(rest: Rest, api: kr8s.Api) -> dict[tuple[str, str], tuple[float, float]]:
    """Return CPU seconds since its start and MiB of memory of each pod, by service and pod."""
    service = {
        pod.name: str(dict(pod.raw["metadata"]["labels"])["app.kubernetes.io/name"])
        for pod in listed(Pod, api, namespace=NAMESPACE)
    }
    found = {}
    for node in listed(Node, api):
        for pod in rest.pods_on(node.name):
            name = pod["podRef"]["name"]
            if pod["podRef"]["namespace"] == NAMESPACE and name in service:
                containers = pod.get("containers", [])
                cpu = sum(one.get("cpu", {}).get("usageCoreNanoSeconds", 0) for one in containers) / 1e9
                mib = sum(one.get("memory", {}).get("rssBytes", 0) for one in containers) / 2**20
                found[service[name], name] = (cpu, mib)
    return found


def _requested(api: kr8s.Api) -> dict[str, tuple[float, float]]:
    """Return by part what its pods request: thousandths of a core, and MiB."""
    found: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for pod in listed(Pod, api, namespace=kr8s.ALL, field_selector="status.phase=Running"):
        asked = [one.get("resources", {}).get("requests", {}) for one in pod.raw["spec"]["containers"]]
        cpu, memory = found[_part(pod.namespace)]
        found[_part(pod.namespace)] = (
            cpu + sum(_milli(one.get("cpu", "0")) for one in asked),
            memory + sum(_mib(one.get("memory", "0")) for one in asked),
        )
    return found


def _above_the_least(api: kr8s.Api) -> list[str]:
    """Return the services that an earlier load has left with more pods than at rest."""
    found = listed(HorizontalPodAutoscaler, api, namespace=NAMESPACE)
    return [
        one.name for one in found if one.raw["status"]["currentReplicas"] > one.raw["spec"]["minReplicas"]
    ]


def _part(namespace: str) -> str:
    return _PARTS.get(namespace, namespace)


def _milli(quantity: str) -> float:
    return float(quantity[:-1]) if quantity.endswith("m") else float(quantity) * 1000


def _mib(quantity: str) -> float:
    for unit, factor in _UNITS.items():
        if quantity.endswith(unit):
            return float(quantity.removesuffix(unit)) * factor
    return float(quantity) / 2**20
