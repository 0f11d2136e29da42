"""The services' network: what the catalog declares gets through, and nothing else.

Each pair is tried from a pod of the calling service itself, with the name that it would use.
"""

import json

import kr8s
import pytest
from kr8s.objects import NetworkPolicy

from a1platform import naming
from a1platform.services.catalog import CATALOG
from a1platform.services.model import HTTP_PORT, OPERATIONS_PORT
from a1platform.services.resolve import NAMESPACE
from tests.smoke.conftest import Outputs, listed
from tests.smoke.reach import ready_pod

pytestmark = [pytest.mark.smoke, pytest.mark.part("mcp-services")]

_PYTHON = "/proc/1/exe"
"""The service's own interpreter; its image has no shell and no other program."""
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
    denying = policies["default-deny"]
    assert denying["podSelector"] == {}
    assert set(denying["policyTypes"]) == {"Ingress", "Egress"}
    assert not denying.get("ingress")
    assert not denying.get("egress")


def test_what_a_service_declares_to_call_gets_through_and_nothing_else(
    api: kr8s.Api, outputs: Outputs
) -> None:
    entries = [entry for entry in CATALOG if entry.name in outputs.services]
    names = [entry.name for entry in entries]
    public = {entry.name for entry in entries if entry.public}
    wanted, found = {}, {}
    for entry in entries:
        others = [name for name in names if name != entry.name]
        targets = [(name, port) for name in others for port in (HTTP_PORT, OPERATIONS_PORT)]
        answers = _tried(api, entry.name, targets)
        for (target, port), answer in zip(targets, answers, strict=True):
            found[f"{entry.name} to {target}:{port}"] = answer
            # The gateway is open to all; but whoever may call nothing out does not get there either.
            wanted[f"{entry.name} to {target}:{port}"] = port == HTTP_PORT and target in entry.calls
    assert public
    assert any(wanted.values())
    assert not all(wanted.values())
    assert found == wanted


def test_a_service_does_not_get_to_the_api_server(api: kr8s.Api) -> None:
    assert _tried(api, "mcp-gateway", [("kubernetes.default.svc", 443)]) == [False]


def _tried(api: kr8s.Api, service: str, targets: list[tuple[str, int]]) -> list[bool]:
    """Return for each target whether a pod of the service gets a connection."""
    pod = ready_pod(api, NAMESPACE, naming.selector(service))
    done = pod.exec([_PYTHON, "-c", _TRY, json.dumps(targets)])
    answers: list[bool] = json.loads(done.stdout)
    return answers
