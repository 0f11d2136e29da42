"""What the policies would refuse of the services' own objects is told before a machine is touched."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from a1platform.naming import qualified
from a1platform.services.catalog import CATALOG
from a1platform.services.refusal import service_problems
from a1platform.settings.load import SettingsError, parse
from a1platform.settings.model import A1Settings
from a1platform.settings.together import Right
from tests.services_bundle import SERVICES_IMAGE, services_bundle

DIGEST = f"@sha256:{'3f' * 32}"
OWN = f"registry.example.org/a1/mcp-services{DIGEST}"
TRUSTS = {"parameters": {"image-registry": {"registries": ["registry.example.org/a1/"]}}}
KEYS = "policies.parameters.image-registry.registries"


@pytest.mark.parametrize(
    ("reference", "whole"),
    [
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        (f"nginx{DIGEST}", f"docker.io/library/nginx{DIGEST}"),
        ("a1platform/mcp-services:1.4.2", "docker.io/a1platform/mcp-services:1.4.2"),
        *((one, one) for one in ("localhost/x:1", "registry:5000/x:1", "ghcr.io/a1/x:1")),
    ],
)
def test_a_reference_is_read_as_the_policies_read_it(reference: str, whole: str) -> None:
    assert qualified(reference) == whole


def _problems(**values: dict[str, Any]) -> list[str]:
    return service_problems(Right(A1Settings.model_validate(values)))


def test_an_image_of_a_registry_that_no_policy_trusts_is_refused_with_both_keys() -> None:
    told = f"services.image: found {OWN}, expected it from {KEYS}: docker.io/a1platform/"
    assert _problems(services={"image": OWN}) == [told]
    assert _problems(services={"image": OWN}, policies=TRUSTS) == []


def test_the_image_of_the_bundle_is_refused_where_only_another_registry_is_trusted() -> None:
    image = "docker.io/a1platform/mcp-services:0.1.0"
    told = f"services.image: found {image}, expected it from {KEYS}: registry.example.org/a1/"
    assert _problems(policies=TRUSTS) == [told]
    nothing: dict[str, Any] = {"parameters": {"image-registry": {"registries": []}}}
    assert _problems(policies=nothing) == [f"services.image: found {image}, expected it from {KEYS}: none"]


def test_an_image_of_a_bundle_is_judged_by_the_name_that_the_pods_get(tmp_path: Path) -> None:
    bundle = services_bundle(tmp_path, "a", ["gatekeeper", "external-secrets"])
    given = A1Settings.model_validate({"bundle": str(bundle.folder), "policies": TRUSTS})
    told = f"services.image: found {SERVICES_IMAGE}-a, expected it from {KEYS}: registry.example.org/a1/"
    assert service_problems(Right(given)) == [told]


def test_a_registry_whose_name_begins_alike_is_another_one() -> None:
    like = f"registry.example.org/a1-other/mcp-services{DIGEST}"
    assert len(_problems(services={"image": like}, policies=TRUSTS)) == 1


def test_each_image_is_told_at_the_key_that_wins() -> None:
    overrides = {name: {"image": f"ghcr.io/a1/{name}{DIGEST}"} for name in ("mcp-gateway", "mcp-config")}
    told = [line.split(":")[0] for line in _problems(services={"overrides": overrides})]
    assert told == ["services.overrides.mcp-gateway.image", "services.overrides.mcp-config.image"]
    every = {entry.name: {"image": OWN} for entry in CATALOG}
    assert _problems(services={"overrides": every}, policies=TRUSTS) == []


def test_an_image_of_the_catalog_is_told_at_its_entry_if_it_is_installed() -> None:
    sixth = dataclasses.replace(CATALOG[-1], name="mcp-sixth", image=OWN, example=True)
    catalog = (*CATALOG, sixth)
    told = service_problems(Right(A1Settings()), catalog)
    assert told == [f"catalog.mcp-sixth.image: found {OWN}, expected it from {KEYS}: docker.io/a1platform/"]
    without = A1Settings.model_validate({"services": {"example": False}})
    assert service_problems(Right(without), catalog) == []


@pytest.mark.parametrize(
    "spared",
    [
        {"policies": {"enforcement": {"image-registry": "warn"}}},
        {"policies": {"enforcement": {"image-registry": "dryrun"}}},
        {"policies": {"namespaces": ["team-*"]}},
        {"policies": {"enabled": False}},
        {"platform": {"gatekeeper": {"enabled": False}}},
        {"platform": {"externalSecrets": {"enabled": False}}},
    ],
    ids=["warned", "counted", "elsewhere", "no-policies", "no-gatekeeper", "no-services"],
)
def test_an_image_that_nothing_refuses_is_let_be(spared: dict[str, Any]) -> None:
    assert _problems(services={"image": OWN}, **spared) == []


def test_an_image_in_a_namespace_that_is_exempt_is_let_be() -> None:
    reason = "Its images move to the new registry."
    exempt = {"policy": "image-registry", "namespace": "a1-orchestrator", "reason": reason}
    assert _problems(services={"image": OWN}, policies={"exemptions": [exempt]}) == []
    other = {**exempt, "policy": "image-tag"}
    assert len(_problems(services={"image": OWN}, policies={"exemptions": [other]})) == 1


def test_a_pattern_covers_the_namespace_of_the_services_too() -> None:
    assert len(_problems(services={"image": OWN}, policies={"namespaces": ["a1-*"]})) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"policies": {"enforcement": {"image-tag": "x"}}}, {"policies": {"parameters": {"image-registry": 1}}}],
)
def test_no_image_is_judged_by_policies_that_are_wrong(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        parse({"services": {"image": OWN}, **wrong}, service_problems)
    assert "services.image" not in str(caught.value)


DIGESTS: dict[str, Any] = {"enforcement": {"image-digest": "deny"}}
CRITICAL = [entry.name for entry in CATALOG if entry.critical]


def test_a_critical_service_without_a_digest_is_refused_where_the_policy_asks_for_one() -> None:
    found = f"found docker.io/a1platform/mcp-services:0.1.0 for {', '.join(CRITICAL)}"
    asked = "expected a digest (@sha256:...), as policies.enforcement.image-digest is deny"
    assert _problems(policies=DIGESTS) == [f"services.image: {found}, {asked}"]
    by_digest = f"a1platform/mcp-services:0.1.0{DIGEST}"
    assert _problems(services={"image": by_digest}, policies=DIGESTS) == []
    overrides = {name: {"image": by_digest} for name in CRITICAL}
    assert _problems(services={"overrides": overrides}, policies=DIGESTS) == []
    [told] = _problems(services={"overrides": dict(list(overrides.items())[1:])}, policies=DIGESTS)
    assert f" for {CRITICAL[0]}, " in told
    nobody = {**DIGESTS, "parameters": {"image-digest": {"critical": []}}}
    assert _problems(policies=nobody) == []


def _ratio(**ratios: float) -> dict[str, Any]:
    return {"parameters": {"container-resources": {"maxRatio": ratios}}}


def test_a_ratio_that_our_own_sizes_exceed_is_refused_with_the_smallest_that_fits() -> None:
    key = "policies.parameters.container-resources.maxRatio"
    assert _problems(policies=_ratio(cpu=33, memory=1.5)) == [
        f"{key}.cpu: found 33, expected 34 or more, as mcp-config asks for 30m and may take 1",
        f"{key}.memory: found 1.5, expected 2 or more, as mcp-gateway asks for 160Mi and may take 320Mi",
    ]
    assert _problems(policies=_ratio(cpu=34, memory=2)) == []
    assert _problems(services={"profile": "standard"}, policies=_ratio(cpu=1, memory=1)) == []


def test_a_resource_that_our_own_pods_do_not_state_is_refused() -> None:
    asked = {"parameters": {"container-resources": {"resources": ["cpu", "ephemeral-storage"]}}}
    [told] = _problems(policies=asked)
    assert told.startswith(
        "policies.parameters.container-resources.resources[1]: found 'ephemeral-storage', expected cpu or "
    )


@pytest.mark.parametrize("label", ["team", "app.kubernetes.io/managed-by"], ids=["nowhere", "not-on-pods"])
def test_a_label_that_our_own_objects_lack_is_refused_with_those_that_they_have(label: str) -> None:
    asked = {"parameters": {"required-labels": {"labels": ["app.kubernetes.io/component", label]}}}
    ours = ", ".join(f"app.kubernetes.io/{one}" for one in ("component", "name", "part-of"))
    key = "policies.parameters.required-labels.labels[1]"
    wanted = f"expected one that all of our own objects have: {ours}"
    assert _problems(policies=asked) == [f"{key}: found '{label}', {wanted}"]


def test_everything_that_would_be_refused_is_told_at_once() -> None:
    parameters = {"container-resources": {"maxRatio": {"cpu": 2}}, "required-labels": {"labels": ["team"]}}
    told = _problems(services={"image": f"ghcr.io/a1/x{DIGEST}"}, policies={"parameters": parameters})
    assert [line.split(":")[0] for line in told] == [
        "policies.parameters.container-resources.maxRatio.cpu",
        "services.image",
        "policies.parameters.required-labels.labels[0]",
    ]


def test_what_contradicts_the_catalog_is_told_and_no_object_is_judged() -> None:
    services = {"overrides": {"mcp-gatway": {"minReplicas": 3}}}
    [told] = _problems(services=services, policies=_ratio(cpu=2))
    assert told.startswith("services.overrides.mcp-gatway: ")


def test_it_is_told_together_with_what_no_node_has_room_for() -> None:
    services = {"image": OWN, "overrides": {"mcp-gateway": {"cpuMilli": 9000}}}
    assert len(_problems(services=services)) == 2
