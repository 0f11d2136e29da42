"""Nothing that a pod's life brings loses a request: its end, a new version, a drained node."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import kr8s
import pytest
from kr8s.objects import Deployment, Node, Pod

from a1platform import naming
from a1platform.cli.stack_file import StackFile
from a1platform.node.connection import connected, run_script
from a1platform.services.catalog import CONFIG, EXAMPLE, GATEWAY, ORCHESTRATOR, POLICY, TRACEHUB
from a1platform.services.resolve import NAMESPACE
from sandbox.pulumi import Stack
from tests.disruptive.least import held_at_the_least
from tests.disruptive.traffic import CALL, LIST, traffic
from tests.smoke.conftest import Outputs, listed
from tests.smoke.pods import is_leaving, pods_of
from tests.smoke.reach import ready_pod
from tests.smoke.rest import Rest
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.disruptive, pytest.mark.timeout(1800)]

_CHAIN = (GATEWAY, POLICY, ORCHESTRATOR)
_BESIDE = (CONFIG, TRACEHUB)
_SETTLED_SECONDS = 300
_TRY_AGAIN_SECONDS = 5
_TOO_MANY = 429
_BY_SIGKILL = 137


@pytest.fixture(scope="module", autouse=True)
def _fewest(api: kr8s.Api, outputs: Outputs) -> Iterator[None]:
    with held_at_the_least(api, *outputs.services):
        yield


@pytest.mark.parametrize("service", [*_CHAIN, *_BESIDE])
def test_a_pod_that_is_deleted_loses_no_request(service: str, api: kr8s.Api, outputs: Outputs) -> None:
    with traffic(api, outputs.api_key) as calls:
        pod = ready_pod(api, NAMESPACE, naming.selector(service))
        pod.delete()
        _settle(api, service, without={pod.name})
        calls.assert_nothing_lost()


@pytest.mark.parametrize("service", [POLICY, ORCHESTRATOR, *_BESIDE])
def test_a_pod_that_is_killed_loses_no_request_that_may_be_sent_twice(
    service: str, api: kr8s.Api, outputs: Outputs, stack: Stack
) -> None:
    # A call that may have arrived is never sent twice, as its effect might be had twice; and what is on a
    # killed gateway itself nobody but the client can send again.
    with traffic(api, outputs.api_key, LIST) as calls:
        pod = ready_pod(api, NAMESPACE, naming.selector(service))
        _kill(pod, stack)
        said = eventually(lambda: _since_the_kill(api, pod), _SETTLED_SECONDS, wanted=lambda seen: not seen)
        assert said == "", f"{pod.name}: {said}"
        _settle(api, service, without=set())
        calls.assert_nothing_lost()


@pytest.mark.parametrize("service", [*_CHAIN, *_BESIDE])
def test_a_rolling_update_loses_no_request(service: str, api: kr8s.Api, outputs: Outputs) -> None:
    with traffic(api, outputs.api_key, CALL) as calls:
        before = {pod.name for pod in pods_of(api, service)}
        deployment: Any = Deployment.get(service, namespace=NAMESPACE, api=api)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        restarted = {"annotations": {"kubectl.kubernetes.io/restartedAt": now}}
        deployment.patch({"spec": {"template": {"metadata": restarted}}})
        _settle(api, service, without=before)
        calls.assert_nothing_lost()


def test_a_drained_node_loses_no_request(api: kr8s.Api, rest: Rest, outputs: Outputs) -> None:
    nodes = [node for node in listed(Node, api) if not node.raw["spec"].get("unschedulable")]
    drained = ready_pod(api, NAMESPACE, naming.selector(GATEWAY)).raw["spec"]["nodeName"]
    # One node alone has nowhere to send its pods, so they leave it and come back to it.
    with traffic(api, outputs.api_key) as calls, _cordoned(api, drained if nodes[1:] else None):
        going = [pod for pod in pods_of(api) if pod.raw["spec"].get("nodeName") == drained]
        for pod in going:
            _evict(rest, pod)
        for service in outputs.services:
            _settle(api, service, without={pod.name for pod in going})
        calls.assert_nothing_lost()


@pytest.mark.parametrize("service", [*_CHAIN, *_BESIDE])
def test_a_drain_takes_one_pod_of_a_service_at_a_time(
    service: str, api: kr8s.Api, rest: Rest, outputs: Outputs
) -> None:
    assert service in outputs.services
    first, second, *_ = (pod for pod in pods_of(api, service) if not is_leaving(pod))
    _evict(rest, first)
    assert rest.evict(second.raw) == _TOO_MANY
    _settle(api, service, without={first.name})
    assert second.name in {pod.name for pod in pods_of(api, service)}


def test_the_example_too_lets_a_node_drain(api: kr8s.Api, rest: Rest, outputs: Outputs) -> None:
    if EXAMPLE not in outputs.services:
        pytest.skip(f"{EXAMPLE} is not installed")
    going = [pod for pod in pods_of(api, EXAMPLE) if not is_leaving(pod)]
    for pod in going:
        _evict(rest, pod)
    _settle(api, EXAMPLE, without={pod.name for pod in going})


def _kill(pod: Pod, stack: Stack) -> None:
    """End the container of a pod by SIGKILL.

    Not by a deletion without a grace period: the kubelet then takes that of the pod's own, with preStop and
    SIGTERM (Kubernetes 1.30, `calculateEffectiveGracePeriod`).
    """
    file = StackFile(stack.config or stack.folder / f"Pulumi.{stack.name}.yaml")
    (node,) = (one for one in file.nodes() if one.name == pod.raw["spec"]["nodeName"])
    (container,) = pod.raw["status"]["containerStatuses"]
    number = container["containerID"].removeprefix("containerd://")
    with connected(node) as client:
        answer = run_script(client, node, f"/usr/local/bin/k3s crictl stop --timeout 0 {number}")
    assert answer.status == 0, answer.stderr


def _since_the_kill(api: kr8s.Api, before: Pod) -> str:
    """Tell what a killed pod has not done yet: be started again by the kubelet, and be ready."""
    (there,) = before.raw["status"]["containerStatuses"]
    (now,) = Pod.get(before.name, namespace=NAMESPACE, api=api).raw["status"]["containerStatuses"]
    if now["restartCount"] == there["restartCount"]:
        return "its container has not been started again"
    assert now["lastState"]["terminated"]["exitCode"] == _BY_SIGKILL, now["lastState"]
    return "" if now["ready"] else "it is not ready again"


def _evict(rest: Rest, pod: Pod) -> None:
    """Ask until the disruption budget lets a pod go, as `kubectl drain` does."""
    status = eventually(
        lambda: rest.evict(pod.raw),
        _SETTLED_SECONDS,
        wanted=lambda seen: seen != _TOO_MANY,
        every=_TRY_AGAIN_SECONDS,
    )
    assert status in {200, 201, 404}, f"{pod.name} is not let go: {status}"


@contextlib.contextmanager
def _cordoned(api: kr8s.Api, name: str | None) -> Iterator[None]:
    if name is None:
        yield
        return
    node: Any = Node.get(name, api=api)
    node.cordon()
    try:
        yield
    finally:
        node.uncordon()


def _settle(api: kr8s.Api, service: str, without: set[str]) -> None:
    """Wait until a service has all its pods again, and none of the old ones is left."""

    def missing() -> str:
        raw = Deployment.get(service, namespace=NAMESPACE, api=api).raw
        there = {pod.name for pod in pods_of(api, service)}
        if left := there & without:
            return f"{', '.join(sorted(left))} are still there"
        status, wanted = raw["status"], raw["spec"]["replicas"]
        if status.get("observedGeneration", 0) < raw["metadata"]["generation"]:
            return "its controller has not seen the change"
        ready = min(status.get(key, 0) for key in ("updatedReplicas", "availableReplicas"))
        return "" if ready == wanted else f"{ready} of {wanted} pods are ready"

    said = eventually(missing, _SETTLED_SECONDS, wanted=lambda seen: not seen)
    assert said == "", f"{service}: {said}"
