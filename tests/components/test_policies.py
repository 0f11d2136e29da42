"""The component `Policies` against a recording mock engine: what it declares and in which order."""

from collections.abc import Callable

import pytest

from a1platform.platform.policies import Policies, PoliciesArgs
from a1platform.settings.policies import PolicySettings
from tests.components.conftest import Declared

Declare = Callable[[PolicySettings], dict[str, Declared]]


@pytest.fixture(scope="module")
def policies(declare: Callable[..., dict[str, Declared]]) -> Declare:
    """Declare the policies as settings ask for."""
    return lambda settings: declare(lambda: Policies("policies", PoliciesArgs(settings)).enforcement)


@pytest.fixture(scope="module")
def declared(policies: Declare) -> dict[str, Declared]:
    return policies(PolicySettings())


POLICIES = ("image-registry", "image-tag", "pod-privilege", "service-account")


def test_a_constraint_is_declared_after_its_template_and_the_template_after_the_configuration(
    declared: dict[str, Declared],
) -> None:
    for name in POLICIES:
        assert declared[f"policies-{name}"].after == (f"policies-{name}-template",)
        assert declared[f"policies-{name}-template"].after == ("policies-config",)


def test_a_template_is_done_when_gatekeeper_has_made_the_kind_of_its_constraint(
    declared: dict[str, Declared],
) -> None:
    annotations = declared["policies-image-tag-template"].inputs["metadata"]["annotations"]
    assert annotations["pulumi.com/waitFor"] == "jsonpath={.status.created}=true"


def test_a_constraint_is_done_when_the_webhook_enforces_it(declared: dict[str, Declared]) -> None:
    annotations = declared["policies-image-tag"].inputs["metadata"]["annotations"]
    assert annotations["pulumi.com/waitFor"].startswith("jsonpath={.status.byPod[")
    assert annotations["pulumi.com/waitFor"].endswith(".enforced}=true")


def test_what_was_weakened_by_hand_is_set_back_and_no_conflict(policies: Declare) -> None:
    declared = policies(PolicySettings(mutations=True))
    forced = {
        name: each.inputs["metadata"]["annotations"].get("pulumi.com/patchForce")
        for name, each in declared.items()
        if name.startswith("policies-")
    }
    assert {"policies-config", "policies-image-tag", "policies-mutation-seccomp"} < set(forced)
    assert set(forced.values()) == {"true"}


def test_every_object_has_the_name_that_it_is_known_by(declared: dict[str, Declared]) -> None:
    assert declared["policies-config"].inputs["metadata"]["name"] == "config"
    for name in POLICIES:
        assert declared[f"policies-{name}"].inputs["metadata"]["name"] == name


def test_everything_is_a_child_of_the_component(declared: dict[str, Declared]) -> None:
    assert {each.parent for each in declared.values() if each.name.startswith("policies-")} == {"policies"}


def test_rego_and_schema_reach_the_engine_unchanged(declared: dict[str, Declared]) -> None:
    spec = declared["policies-image-tag-template"].inputs["spec"]
    assert "package a1imagetag" in spec["targets"][0]["rego"]
    assert "package lib.image" in spec["targets"][0]["libs"][0]
    assert spec["crd"]["spec"]["validation"]["openAPIV3Schema"]["properties"].keys() == {"tags"}


def test_an_enforcement_action_of_the_settings_reaches_the_constraint(policies: Declare) -> None:
    declared = policies(PolicySettings(enforcement={"image-tag": "dryrun"}))
    assert declared["policies-image-tag"].inputs["spec"]["enforcementAction"] == "dryrun"


def test_the_accounts_that_may_have_a_token_reach_the_constraint(
    declare: Callable[..., dict[str, Declared]],
) -> None:
    args = PoliciesArgs(PolicySettings(), accounts_with_token=("a1-orchestrator/mcp-reader",))
    declared = declare(lambda: Policies("policies", args).enforcement)
    parameters = declared["policies-service-account"].inputs["spec"]["parameters"]
    assert parameters == {"accountsWithToken": ["a1-orchestrator/mcp-reader"]}


def test_an_ingress_in_any_namespace_is_known_to_the_policies(declared: dict[str, Declared]) -> None:
    spec = declared["policies-config"].inputs["spec"]
    assert {"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"} in spec["sync"]["syncOnly"]
    assert "sync" not in spec["match"][0]["processes"]


def test_pods_and_accounts_are_completed_only_where_the_settings_say_so(
    policies: Declare, declared: dict[str, Declared]
) -> None:
    assert not [name for name in declared if "mutation" in name]
    completed = policies(PolicySettings(mutations=True))
    for name in ("seccomp", "automount"):
        assert completed[f"policies-mutation-{name}"].after == ("policies-config",)
        assert completed[f"policies-mutation-{name}"].inputs["kind"] == "Assign"


def test_only_kinds_that_every_cluster_has_are_looked_up(declared: dict[str, Declared]) -> None:
    groups = {kind["group"] for kind in declared["policies-config"].inputs["spec"]["sync"]["syncOnly"]}
    assert groups == {"autoscaling", "networking.k8s.io", "policy", "rbac.authorization.k8s.io"}
