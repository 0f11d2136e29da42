"""Settings refuse for the services' own objects what the policies refuse of them, and nothing else."""

from typing import Any

import pytest

from a1platform.platform.policy_set import load
from a1platform.services.builders import service_objects
from a1platform.services.refusal import service_problems
from a1platform.services.resolve import resolve
from a1platform.settings.model import A1Settings
from a1platform.settings.together import Right
from tests.policies.gator import Gator

DIGEST = f"a1platform/mcp-services@sha256:{'3f' * 32}"


def _parameters(policy: str, **given: object) -> dict[str, Any]:
    return {"policies": {"parameters": {policy: given}}}


_GIVEN: dict[str, dict[str, Any]] = {
    "nothing": {},
    "registry": _parameters("image-registry", registries=["registry.example.org/a1/"]),
    "digests": {"policies": {"enforcement": {"image-digest": "deny"}}},
    "digests-there": {
        "policies": {"enforcement": {"image-digest": "deny"}},
        "services": {"image": DIGEST},
    },
    "cpu-ratio": _parameters("container-resources", maxRatio={"cpu": 33}),
    "cpu-ratio-that-fits": _parameters("container-resources", maxRatio={"cpu": 34}),
    "memory-ratio": _parameters("container-resources", maxRatio={"memory": 1.9}),
    "memory-ratio-that-fits": _parameters("container-resources", maxRatio={"memory": 2}),
    "storage-ratio": _parameters("container-resources", maxRatio={"ephemeral-storage": 1}),
    "storage": _parameters("container-resources", resources=["cpu", "ephemeral-storage"]),
    "label": _parameters("required-labels", labels=["team"]),
    "label-of-no-pod": _parameters("required-labels", labels=["app.kubernetes.io/managed-by"]),
    "label-of-all": _parameters("required-labels", labels=["app.kubernetes.io/component"]),
}


@pytest.mark.parametrize("name", _GIVEN)
def test_settings_and_cluster_refuse_the_same_of_our_own_objects(gator: Gator, name: str) -> None:
    settings = A1Settings.model_validate(_GIVEN[name])
    policies = load().configured(settings.policies)
    objects = [one for args in resolve(settings.services) for one in service_objects(args)]
    refused = {one.policy for one in gator.violations(policies, objects) if one.action == "deny"}
    told = service_problems(Right(settings))
    assert {one for one in (policy.name for policy in policies.policies) if one in str(told)} == refused
    assert bool(told) is bool(refused)
