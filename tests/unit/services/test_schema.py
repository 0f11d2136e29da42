"""Objects of Kubernetes's own kinds against the types that the SDK has from Kubernetes's OpenAPI document."""

import typing
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pulumi_kubernetes import apps, autoscaling, core, networking, policy, rbac

from a1platform.delivery.manifest import Manifest, identity
from a1platform.services.builders import service_objects
from a1platform.services.model import Capabilities
from a1platform.services.resolve import resolve
from a1platform.services.shared import shared_objects
from a1platform.settings.services import ServicesSettings

SPECS: dict[str, Any] = {
    "Deployment": apps.v1.DeploymentSpecArgsDict,
    "HorizontalPodAutoscaler": autoscaling.v2.HorizontalPodAutoscalerSpecArgsDict,
    "NetworkPolicy": networking.v1.NetworkPolicySpecArgsDict,
    "PodDisruptionBudget": policy.v1.PodDisruptionBudgetSpecArgsDict,
    "Service": core.v1.ServiceSpecArgsDict,
    "PolicyRule": rbac.v1.PolicyRuleArgsDict,
}
SERVICES = [one for keda in (True, False) for one in resolve(ServicesSettings(), Capabilities(keda=keda))]
OBJECTS = [*shared_objects(SERVICES), *(one for service in SERVICES for one in service_objects(service))]


def _typed_dicts(hint: object) -> Iterator[Any]:
    if typing.is_typeddict(hint):
        yield hint
    for inner in typing.get_args(hint):
        yield from _typed_dicts(inner)


def _errors(value: Any, kind: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON, any type of the SDK
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _errors(one, kind, f"{path}[{index}]")
        return
    hints = typing.get_type_hints(kind, localns={"Output": pulumi.Output, "T": Any})
    known = {name.replace("_", ""): name for name in hints}
    fields = {key: known.get(key.lower()) for key in value}
    yield from (f"{path}.{key} is no field" for key, field in fields.items() if field is None)
    missing = kind.__required_keys__ - set(fields.values())
    yield from (f"{path} lacks {name}" for name in sorted(missing))
    for key, field in fields.items():
        inner = next(_typed_dicts(hints[field]), None) if field else None
        if inner is not None:
            yield from _errors(value[key], inner, f"{path}.{key}")


@pytest.mark.parametrize("manifest", [one for one in OBJECTS if one["kind"] in SPECS], ids=identity)
def test_every_field_is_one_that_kubernetes_knows_and_none_is_missing(manifest: Manifest) -> None:
    assert list(_errors(manifest["spec"], SPECS[manifest["kind"]], manifest["kind"])) == []


def test_a_misspelt_field_and_a_missing_one_would_be_found() -> None:
    wrong = {"selector": {}, "template": {"spec": {"containers": [{"imagePulPolicy": "Always"}]}}}
    assert list(_errors(wrong, SPECS["Deployment"], "Deployment")) == [
        "Deployment.template.spec.containers[0].imagePulPolicy is no field",
        "Deployment.template.spec.containers[0] lacks name",
    ]
