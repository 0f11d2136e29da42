"""The services' network: what the catalog declares gets through, and nothing else.

Each pair is tried from a pod of the calling service itself, with the name that it would use.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

import kr8s
import pytest
import yaml
from kr8s.objects import NetworkPolicy, Pod, Service

from a1platform import naming
from a1platform.naming import PROJECT
from a1platform.services.catalog import CATALOG
from a1platform.services.model import OPERATIONS_PORT
from a1platform.services.resolve import NAMESPACE
from tests.smoke.conftest import Outputs, listed
from tests.smoke.reach import ready_pod, ready_pods
from tests.smoke.rest import Manifest, Rest
from tests.smoke.wait import eventually

pytestmark = pytest.mark.smoke

_PYTHON = "/proc/1/exe"
"""The service's own interpreter; its image has no shell and no other program."""
_INNER = (
    ("argocd", "argocd-redis", 6379),
    ("argocd", "argocd-repo-server", 8081),
    ("argocd", "argocd-server", 80),
    ("keda", "keda-operator", 9666),
    ("prometheus", "prometheus", 9090),
    ("prometheus", "kps-alertmanager", 9093),
)
"""Services that only their own namespace, or one that is named, may call."""
_PORTS = {entry.name: entry.port for entry in CATALOG}
_PUBLIC = [entry.name for entry in CATALOG if entry.public]
_KEPT = [
    (NAMESPACE, name, port)
    for name, own in _PORTS.items()
    for port in (own, OPERATIONS_PORT)
    if port == OPERATIONS_PORT or name not in _PUBLIC
]
"""What the services keep from other namespaces: everything but the gateway's own port."""
_OPEN = [("kube-dns.kube-system.svc", 53), *((f"{one}.{NAMESPACE}.svc", _PORTS[one]) for one in _PUBLIC)]
"""What everybody gets to."""
_TRY = """\
import asyncio, json, sys

async def reached(host, port):
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 3)
    except (OSError, asyncio.TimeoutError):
        return False
    writer.close()
    return True

async def main():
    targets = json.loads(sys.argv[1])
    print(json.dumps(await asyncio.gather(*(reached(host, port) for host, port in targets))))

asyncio.run(main())
"""


def test_the_namespace_denies_by_default(api: kr8s.Api) -> None:
    policies = {one.name: one.raw["spec"] for one in listed(NetworkPolicy, api, namespace=NAMESPACE)}
    into, out = policies["default-deny-ingress"], policies["default-deny-egress"]
    assert into["podSelector"] == out["podSelector"] == {}
    assert (into["policyTypes"], out["policyTypes"]) == (["Ingress"], ["Egress"])
    assert not into.get("ingress")
    assert [port["port"] for rule in out["egress"] for port in rule["ports"]] == [53, 53]
    assert all(rule["to"] for rule in out["egress"])


@pytest.mark.part("mcp-services")
def test_what_a_service_declares_to_call_gets_through_and_nothing_else(
    api: kr8s.Api, outputs: Outputs
) -> None:
    entries = [entry for entry in CATALOG if entry.name in outputs.services]
    names = [entry.name for entry in entries]
    wanted, found = {}, {}
    for entry in entries:
        pods = ready_pods(api, NAMESPACE, naming.selector(entry.name))
        assert pods, f"no pod of {entry.name} is ready"
        hosts = {name: name for name in names if name != entry.name} | _twin(pods, entry.name)
        targets = [(name, port) for name in hosts for port in (_PORTS[name], OPERATIONS_PORT)]
        answers = _tried(pods[0], [(hosts[name], port) for name, port in targets])
        for (target, port), answer in zip(targets, answers, strict=True):
            found[f"{entry.name} to {target}:{port}"] = answer
            # The gateway is open to all; but whoever may call nothing out does not get there either, nor do
            # its own pods, which K3s lets where one policy is about both directions (`one_way`).
            wanted[f"{entry.name} to {target}:{port}"] = port == _PORTS[target] and target in entry.calls
    assert any(wanted.values())
    assert not all(wanted.values())
    assert found == wanted


@pytest.mark.part("mcp-services")
def test_a_service_does_not_get_to_the_api_server(api: kr8s.Api) -> None:
    pod = ready_pod(api, NAMESPACE, naming.selector("mcp-gateway"))
    assert _tried(pod, [("kubernetes.default.svc", 443)]) == [False]


@pytest.fixture
def stranger(rest: Rest, api: kr8s.Api, stack_file: Path) -> Iterator[Manifest]:
    """A pod in a namespace that nobody knows, which tries what parts and services keep to themselves."""
    config = yaml.safe_load(stack_file.read_text(encoding="utf-8"))["config"]
    if not config.get(f"{PROJECT}:platform", {}).get("networkPolicies", True):
        pytest.skip("platform.networkPolicies is off")
    there = {(one.namespace, one.name): one.raw for one in listed(Service, api, namespace=kr8s.ALL)}
    kept = [*_INNER, *_KEPT]
    targets = [(f"{name}.{space}.svc", port) for space, name, port in kept if (space, name) in there]
    name = f"a1-smoke-{secrets.token_hex(4)}"
    image = ready_pod(api, NAMESPACE, naming.selector("mcp-gateway")).raw["spec"]["containers"][0]["image"]
    space: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    pod = _pod({"name": "stranger", "namespace": name}, image, [*targets, *_OPEN])
    with rest.applied(space, pod):
        yield {**pod, "targets": targets}


@pytest.mark.part("mcp-services")
def test_a_stranger_gets_to_nothing_that_a_part_or_a_service_keeps_to_itself(
    stranger: Manifest, rest: Rest
) -> None:
    def phase() -> str:
        found = rest.get(stranger)
        return str(found["status"]["phase"]) if found else ""

    assert eventually(phase, 120, wanted=lambda seen: seen in {"Succeeded", "Failed"}) == "Succeeded"
    answers = json.loads(rest.log(stranger).splitlines()[-1])
    inner, opened = answers[: -len(_OPEN)], answers[-len(_OPEN) :]
    assert {host.split(".")[1] for host, _ in stranger["targets"]} > {NAMESPACE}
    assert all(opened), f"the pod itself is cut off, so nothing is proven: {_OPEN} answer everybody: {opened}"
    assert [one for one, got in zip(stranger["targets"], inner, strict=True) if got] == []


def _pod(where: Manifest, image: str, targets: list[tuple[str, int]]) -> Manifest:
    user = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    confined = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "stranger",
        "image": image,
        "command": ["/usr/bin/python3.11", "-c", _TRY, json.dumps(targets)],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {**confined, "readOnlyRootFilesystem": True},
    }
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "securityContext": user}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": where, "spec": {**spec, "containers": [container]}}


def _twin(pods: Sequence[Pod], service: str) -> dict[str, str]:
    """Return a service with the address of another of its pods than the first, where it has one.

    Its name could lead to the pod that asks, and no policy comes between a pod and itself.
    """
    return {service: pods[1].raw["status"]["podIP"]} if pods[1:] else {}


def _tried(pod: Pod, targets: list[tuple[str, int]]) -> list[bool]:
    """Return for each target whether a pod gets a connection."""
    done = pod.exec([_PYTHON, "-c", _TRY, json.dumps(targets)])
    answers: list[bool] = json.loads(done.stdout)
    return answers
