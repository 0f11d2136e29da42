"""Delivery moves from Argo CD to Pulumi and back, and a version that never gets ready replaces nothing.

The tests stand in the order of a move there and back, so each begins where the one before has ended. On the
sandbox only: they change the stack's configuration and run `pulumi up`.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kr8s
import pytest
import yaml
from kr8s.objects import Deployment, HorizontalPodAutoscaler

from a1platform.cli.stack_file import StackFile
from a1platform.delivery.argocd import ROOT
from a1platform.delivery.manifest import identity
from a1platform.naming import PROJECT
from a1platform.node.connection import connected, run_script
from a1platform.services.builders import service_objects
from a1platform.services.catalog import EXAMPLE
from a1platform.services.model import Capabilities
from a1platform.services.pruning import AUTOSCALERS
from a1platform.services.resolve import NAMESPACE, resolve
from a1platform.services.shared import shared_objects
from a1platform.settings.services import ServicesSettings
from sandbox import chosen
from sandbox.pulumi import Stack
from tests.disruptive.least import await_the_least
from tests.smoke.conftest import Outputs, listed
from tests.smoke.gitops import applications, state
from tests.smoke.pods import running_since
from tests.smoke.reach import Connect
from tests.smoke.rest import Rest
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.disruptive, pytest.mark.timeout(3600)]
pytest_plugins = ["tests.smoke.mcp_client"]

_UP = ("up", "--yes", "--skip-preview")
_FOREIGN = "docker.io/rancher/mirrored-metrics-server:v0.7.2"
"""A program that is on every node, ends at once without its own account, and says why."""
_NEVER_READY = "docker.io/a1platform/mcp-services:1.0.0-never-ready"
_CTR = "/usr/local/bin/k3s ctr --namespace k8s.io images"
_AT_REST_SECONDS = 1200


@dataclass(frozen=True)
class Settings:
    """The stack's configuration, and the services' part of it for a while."""

    stack: Stack
    path: Path
    before: str

    def put(self, **changes: object) -> None:
        """Write the configuration as it was, with changes to the services' settings."""
        content = yaml.safe_load(self.before)
        key = f"{PROJECT}:services"
        content["config"][key] = {**content["config"][key], **changes}
        self.path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def up(self, *arguments: str) -> None:
        """Require that `pulumi up` ends well."""
        self.stack.read(*_UP, *arguments)

    def refused(self) -> str:
        """Require that `pulumi up` fails, and return all that it wrote."""
        with self.stack._environment() as environment:
            done = subprocess.run(
                self.stack._command(*_UP),
                cwd=self.stack.folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode, done.stdout
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def settings(stack: Stack, api: kr8s.Api, outputs: Outputs) -> Iterator[Settings]:
    """The stack's settings; in the end they are as before, and applied."""
    if chosen.is_configured() or stack.config is None:
        pytest.skip("a stack of configured machines is left as it is")
    if ROOT not in applications(api) or EXAMPLE not in outputs.services:
        pytest.skip("Argo CD does not deliver the services here, or the example is not among them")
    found = Settings(stack, stack.config, stack.config.read_text(encoding="utf-8"))
    yield found
    if found.path.read_text(encoding="utf-8") != found.before:
        found.path.write_text(found.before, encoding="utf-8")
        found.up()


@pytest.fixture(scope="module")
def pods(settings: Settings, api: kr8s.Api, outputs: Outputs) -> dict[str, list[str]]:
    """The containers that run before anything is moved, and since when."""
    assert settings.before
    await_the_least(api, *outputs.services, seconds=_AT_REST_SECONDS)
    return running_since(api, *outputs.services)


Kept = Callable[[], None]


def _uids(rest: Rest, outputs: Outputs) -> dict[str, str | None]:
    """Return the UID of each object of the services, autoscalers aside; one that is made anew has another."""
    there = {part for part, told in outputs.parts.items() if not told.startswith("left out")}
    offered = Capabilities(keda="keda" in there, monitoring="monitoring" in there)
    services = resolve(ServicesSettings(), offered)
    objects = [*shared_objects(services), *(one for args in services for one in service_objects(args))]
    found = {identity(one): rest.get(one) for one in objects if one["kind"] not in AUTOSCALERS}
    return {name: one["metadata"]["uid"] if one else None for name, one in found.items()}


@pytest.fixture(scope="module")
def kept(pods: dict[str, list[str]], rest: Rest, api: kr8s.Api, outputs: Outputs) -> Kept:
    """Require that every object is the one from before any move, and that each service has one autoscaler."""
    assert pods
    before = _uids(rest, outputs)
    assert None not in before.values()

    def scaled() -> list[str]:
        every = listed(HorizontalPodAutoscaler, api, namespace=NAMESPACE)
        return sorted(one.raw["spec"]["scaleTargetRef"]["name"] for one in every)

    def require() -> None:
        wanted = sorted(outputs.services)
        assert eventually(scaled, 120, wanted=lambda seen: seen == wanted) == wanted
        assert _uids(rest, outputs) == before

    return require


def test_moving_the_delivery_to_pulumi_ends_and_restarts_no_pod_and_makes_no_object_anew(
    settings: Settings, pods: dict[str, list[str]], kept: Kept, api: kr8s.Api, outputs: Outputs
) -> None:
    settings.put(delivery="pulumi")
    settings.up()
    assert running_since(api, *outputs.services) == pods
    gone = eventually(lambda: applications(api), 120, wanted=lambda seen: not seen)
    assert gone == {}, "an Application is left, so an object has two owners"
    assert running_since(api, *outputs.services) == pods
    kept()


def test_pulumi_has_nothing_to_do_after_the_move(settings: Settings, pods: dict[str, list[str]]) -> None:
    assert pods
    # While Pulumi took over Argo CD was still there, and may have taken away from Services, which Pulumi
    # waits for, the annotations that say by which field manager they are applied: they come back once.
    settings.up()
    settings.up("--expect-no-changes")


@pytest.fixture
def foreign(settings: Settings) -> Iterator[str]:
    """An image of a trusted registry whose program is no service."""
    nodes = StackFile(settings.path).nodes()

    def on_each(script: str) -> None:
        for node in nodes:
            with connected(node) as client:
                answer = run_script(client, node, script)
            assert answer.status == 0, answer.stderr

    on_each(f"{_CTR} tag --force {_FOREIGN} {_NEVER_READY}")
    yield _NEVER_READY
    on_each(f"{_CTR} rm {_NEVER_READY}")


async def test_a_version_that_never_gets_ready_fails_up_with_the_reason_and_the_old_one_serves_on(
    settings: Settings, foreign: str, pods: dict[str, list[str]], api: kr8s.Api, connect: Connect
) -> None:
    settings.put(delivery="pulumi", overrides={EXAMPLE: {"image": foreign}})
    told = settings.refused()
    assert re.search(rf"events of {EXAMPLE}-\S+:\n(.*\n)*?.*(BackOff|Unhealthy|Failed)", told), told
    assert re.search(rf"last lines of {EXAMPLE}-\S+:\n\s*(?!.*waiting to start)\S", told), told
    old = {name: since for name, since in pods.items() if name.startswith(f"{EXAMPLE}-")}
    assert old
    assert running_since(api, EXAMPLE).items() >= old.items()
    assert _available(api) >= len(old)
    async with connect() as client:
        result = await client.call_tool("example__add", {"a": 2, "b": 40})
    assert result.structured_content == {"result": 42}


def test_up_succeeds_once_the_cause_is_gone_and_the_old_pods_were_never_replaced(
    settings: Settings, pods: dict[str, list[str]], api: kr8s.Api, outputs: Outputs
) -> None:
    settings.put(delivery="pulumi")
    settings.up()
    seen = eventually(
        lambda: running_since(api, *outputs.services), 120, wanted=lambda found: found == pods, every=2
    )
    assert seen == pods


def test_moving_the_delivery_back_to_argo_cd_ends_and_restarts_no_pod_and_makes_no_object_anew(
    settings: Settings, pods: dict[str, list[str]], kept: Kept, api: kr8s.Api, outputs: Outputs
) -> None:
    settings.put()
    settings.up()
    assert running_since(api, *outputs.services) == pods

    def unwell() -> dict[str, Any]:
        states = {name: state(one) for name, one in applications(api).items()}
        return {name: one for name, one in states.items() if one != ("Synced", "Healthy")}

    assert set(applications(api)) >= {ROOT, *outputs.services}
    assert eventually(unwell, 300, wanted=lambda seen: not seen, every=2) == {}
    assert running_since(api, *outputs.services) == pods
    kept()


def _available(api: kr8s.Api) -> int:
    raw = Deployment.get(EXAMPLE, namespace=NAMESPACE, api=api).raw
    return int(raw["status"].get("availableReplicas", 0))
