"""What each policy's parameters let through: that object alone, and only when it is listed."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import JsonValue

from a1platform.platform.policy_set import POLICIES, load
from a1platform.settings.policies import PolicySettings
from tests.policies.gator import Gator

_LISTS = [
    ("service-exposure", "allowed", "node-port"),
    ("service-exposure", "allowed", "load-balancer"),
    ("replicas", "single", "one"),
    ("replicas", "single", "autoscaler-down-to-one"),
    ("service-account", "accountsWithToken", "token-mounted"),
    ("service-account", "accountsWithToken", "automount-left-out"),
    ("service-account", "accountsWithToken", "token-in-a-projected-volume"),
    ("service-account", "accountsWithToken", "token-in-a-secret"),
]


def _objects(policy: str, sample: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((Path(POLICIES) / policy / f"samples/denied/{sample}.yaml").read_text()))


def _refused(gator: Gator, objects: list[dict[str, Any]], policy: str, given: dict[str, JsonValue]) -> bool:
    policies = load().configured(PolicySettings(parameters={policy: given}))
    found = {one.policy for one in gator.violations(policies, objects)}
    assert found <= {policy}
    return bool(found)


@pytest.mark.parametrize(("policy", "parameter", "sample"), _LISTS)
def test_what_is_listed_is_let_through_in_its_namespace_alone(
    policy: str, parameter: str, sample: str, gator: Gator
) -> None:
    objects = _objects(policy, sample)
    [name] = {one["metadata"]["name"] for one in objects if one["kind"] != "PodDisruptionBudget"}
    assert _refused(gator, objects, policy, {parameter: ["a1-orchestrator/other", f"elsewhere/{name}"]})
    assert not _refused(gator, objects, policy, {parameter: [f"a1-orchestrator/{name}"]})


def test_a_limit_for_one_resource_lets_nothing_of_another_through(gator: Gator) -> None:
    objects = _objects("container-resources", "memory-limit-far-above-request")
    assert _refused(gator, objects, "container-resources", {"maxRatio": {"cpu": 60}})
    assert not _refused(gator, objects, "container-resources", {"maxRatio": {"memory": 1000}})


def test_an_external_ip_is_refused_even_of_a_service_that_may_be_exposed(gator: Gator) -> None:
    objects = _objects("service-exposure", "external-ip")
    listed: dict[str, JsonValue] = {"allowed": [f"a1-orchestrator/{objects[0]['metadata']['name']}"]}
    assert _refused(gator, objects, "service-exposure", listed)
