"""`policies/` as Gatekeeper objects: where each policy applies, how strictly, and who is exempt."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from a1platform.platform.namespaces import PARTS
from a1platform.platform.policy_set import POLICIES, Policy, PolicyError, PolicySet, load
from a1platform.services.catalog import CATALOG
from a1platform.services.resolve import NAMESPACE
from a1platform.settings.policies import PolicyExemption, PolicySettings
from tests.policies.gator import Gator

# What must be refused from the first day on in the namespace of the services.
CORE = (
    "container-resources",
    "image-registry",
    "image-tag",
    "pod-confinement",
    "pod-host-access",
    "pod-privilege",
    "pod-user",
    "required-labels",
    "service-account",
)


def _policy(policies: PolicySet, name: str) -> Policy:
    return next(policy for policy in policies.policies if policy.name == name)


def _exemption(policy: str, namespace: str) -> PolicyExemption:
    return PolicyExemption(policy=policy, namespace=namespace, reason="It is a test of what cannot be.")


def _privileged(namespace: str) -> dict[str, Any]:
    container = {"name": "tool", "image": "a1platform/tool:1.0", "securityContext": {"privileged": True}}
    metadata = {"name": "tool", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


@pytest.mark.parametrize("name", CORE)
def test_the_core_is_denied_from_the_start_where_the_services_run(policies: PolicySet, name: str) -> None:
    policy = _policy(policies, name)
    assert policy.action == "deny"
    assert policy.constraint["spec"]["match"]["namespaces"] == ["a1-orchestrator"]


def test_the_images_that_are_asked_for_by_digest_are_those_of_the_critical_services(
    policies: PolicySet,
) -> None:
    parameters = _policy(policies, "image-digest").constraint["spec"]["parameters"]
    assert parameters["critical"] == sorted(entry.name for entry in CATALOG if entry.critical)


def test_no_constraint_reaches_a_system_namespace(policies: PolicySet) -> None:
    assert {"kube-system", "gatekeeper-system", "argocd"} <= policies.system_namespaces.keys()
    for policy in policies.policies:
        assert (
            set(policy.constraint["spec"]["match"]["excludedNamespaces"]) >= policies.system_namespaces.keys()
        )


def test_every_system_namespace_has_a_reason(policies: PolicySet) -> None:
    assert [name for name, reason in policies.system_namespaces.items() if len(reason) < 10] == []


def test_every_namespace_is_reached_or_is_on_record_with_the_reason_why_not(policies: PolicySet) -> None:
    others = yaml.safe_load((POLICIES / "other-namespaces.yaml").read_text())
    assert [name for name, reason in others.items() if len(reason) < 10] == []
    recorded = [*PolicySettings().namespaces, *policies.system_namespaces, *others]
    there = {"default", "kube-node-lease", "kube-public", "kube-system", NAMESPACE}
    there.update(name for names in PARTS.values() for name in names)
    assert sorted(recorded) == sorted(there)


def test_a_template_its_rego_and_its_constraint_carry_one_name(policies: PolicySet) -> None:
    for policy in policies.policies:
        kind = policy.constraint["kind"]
        assert policy.template["metadata"]["name"] == kind.lower()
        assert policy.template["spec"]["targets"][0]["rego"].startswith(f"package {kind.lower()}\n")
        assert kind == "A1" + policy.name.title().replace("-", "")


def test_a_constraint_sets_exactly_the_parameters_that_its_template_takes(policies: PolicySet) -> None:
    for policy in policies.policies:
        assert policy.constraint["spec"].get("parameters", {}).keys() == policy.parameters, policy.name


def test_a_template_takes_whatever_its_constraint_sets(policies: PolicySet) -> None:
    given = {policy.name: policy.constraint["spec"].get("parameters", {}) for policy in policies.policies}
    assert load().problems(PolicySettings(parameters=given)) == []


def test_all_templates_come_before_all_constraints(policies: PolicySet) -> None:
    kinds = [manifest["kind"] for manifest in policies.manifests()]
    half = len(policies.policies)
    assert set(kinds[:half]) == {"ConstraintTemplate"}
    assert "ConstraintTemplate" not in kinds[half:]


def test_enforcement_is_set_for_each_policy_by_itself() -> None:
    policies = load().configured(PolicySettings(enforcement={"image-tag": "dryrun", "pod-user": "warn"}))
    assert _policy(policies, "image-tag").action == "dryrun"
    assert _policy(policies, "pod-user").action == "warn"
    assert _policy(policies, "pod-privilege").action == "deny"


def test_what_may_never_deny_may_warn_and_does_not_deny_by_itself() -> None:
    late = [one.name for one in load().policies if one.never_denies]
    assert {one.action for one in load().policies if one.never_denies} == {"dryrun"}
    warning = load().configured(PolicySettings(enforcement=dict.fromkeys(late, "warn")))
    assert {_policy(warning, name).action for name in late} == {"warn"}


def test_an_exemption_is_limited_to_its_policy_and_shows_its_reason() -> None:
    reason = "The vendor's agent needs the host until version 3."
    exemption = PolicyExemption(policy="pod-host-access", namespace="a1-agents", reason=reason)
    policies = load().configured(PolicySettings(namespaces=("a1-*",), exemptions=(exemption,)))
    exempt = _policy(policies, "pod-host-access").constraint
    assert "a1-agents" in exempt["spec"]["match"]["excludedNamespaces"]
    assert exempt["metadata"]["annotations"] == {"exemption.a1platform.io/a1-agents": reason}
    other = _policy(policies, "pod-privilege").constraint["spec"]["match"]
    assert "a1-agents" not in other["excludedNamespaces"]


def test_an_exemption_without_a_reason_is_refused() -> None:
    with pytest.raises(ValidationError, match="reason"):
        PolicyExemption(policy="pod-user", namespace="a1-agents", reason="")


@pytest.mark.parametrize("pattern", ["*", "A1", "a1_x", ""])
def test_a_namespace_pattern_that_gatekeeper_would_refuse_is_refused_at_once(pattern: str) -> None:
    with pytest.raises(ValidationError, match="namespaces"):
        PolicySettings(namespaces=(pattern,))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            PolicySettings(enforcement={"pod-usr": "warn"}),
            r"^policies.enforcement.pod-usr: found no policy 'pod-usr', expected pod-user, or another of ",
        ),
        (
            PolicySettings(parameters={"image-tag": {"tag": []}}),
            r"^policies.parameters.image-tag.tag: found no .*, expected tags",
        ),
        (
            PolicySettings(enforcement={"replicas": "deny"}),
            r"^policies.enforcement.replicas: found deny, expected at most warn: .* its autoscaler, so ",
        ),
        (
            PolicySettings(enforcement={"disruption-budget": "deny"}),
            r"^policies.enforcement.disruption-budget: found deny, expected at most warn: .* budget, so ",
        ),
        (
            PolicySettings(namespaces=("kube-system",)),
            r"^policies.namespaces\[0\]: found kube-system, .*can stop the cluster",
        ),
        (
            PolicySettings(parameters={"image-registry": {"registries": ["docker.io/x"]}}),
            r"^policies.parameters.image-registry.registries\[0\]: found .*, expected pattern /\$$",
        ),
        (
            PolicySettings(parameters={"service-account": {"accountsWithToken": None}}),
            r"^policies.parameters.service-account.accountsWithToken: found .*, expected type array",
        ),
        (
            PolicySettings(parameters={"container-resources": {"maxRatio": {"memroy": 2}}}),
            r"^policies.parameters.container-resources.maxRatio.memroy: found no .*, expected memory, or ",
        ),
        (
            PolicySettings(parameters={"container-resources": {"maxRatio": {"memory": None}}}),
            r"^policies.parameters.container-resources.maxRatio.memory: found null, expected type number",
        ),
        (
            PolicySettings(parameters={"rbac-cluster-admin": {"bindings": [{"role": "a", "acount": "a/b"}]}}),
            r"^policies.parameters.rbac-cluster-admin.bindings\[0\].acount: found no .*, expected account",
        ),
        (
            PolicySettings(exemptions=(_exemption("rbac-cluster-wildcards", "a1-orchestrator"),)),
            r"^policies.exemptions\[0\].policy: found rbac-cluster-w.*expected .*parameters.*.allowed$",
        ),
        (
            PolicySettings(exemptions=(_exemption("pod-user", "team-a"),)),
            r"^policies.exemptions\[0\].namespace: found team-a, .* expected one of .*: a1-orchestrator$",
        ),
        (
            PolicySettings(namespaces=("kube-*",), exemptions=(_exemption("pod-user", "kube-system"),)),
            r"^policies.exemptions\[0\].namespace: found kube-system, which no policy reaches",
        ),
    ],
    ids=[
        *("policy", "parameter", "replicas", "budgets", "namespace", "pattern", "null"),
        *("name-within-a-parameter", "null-within-a-parameter", "name-within-a-list"),
        *("exemption-from-what-is-of-the-cluster", "exemption-elsewhere", "exemption-of-the-system"),
    ],
)
def test_settings_that_fit_no_policy_are_refused_with_both_sides_named(
    settings: PolicySettings, message: str
) -> None:
    with pytest.raises(PolicyError, match=message):
        load().configured(settings)


def test_configuring_leaves_the_loaded_policies_as_they_were() -> None:
    loaded = load()
    loaded.configured(PolicySettings(enforcement={"image-tag": "dryrun"}))
    assert _policy(loaded, "image-tag").action == "deny"


def test_a_constraint_of_another_kind_than_its_template_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "image-tag"
    folder.mkdir()
    (tmp_path / "system-namespaces.yaml").write_text("kube-system: the cluster's own parts\n")
    for name in ("template.yaml", "policy.rego", "constraint.yaml"):
        (folder / name).write_text((POLICIES / "image-tag" / name).read_text())
    with pytest.raises(PolicyError, match=r"imports lib/image\.rego, which does not exist"):
        load(tmp_path)
    constraint = folder / "constraint.yaml"
    constraint.write_text(re.sub("kind: A1ImageTag", "kind: A1ImageTags", constraint.read_text()))
    with pytest.raises(PolicyError, match="must be a A1ImageTag named 'image-tag'"):
        load(tmp_path)


def test_a_pattern_that_covers_a_system_namespace_still_spares_it(gator: Gator) -> None:
    policies = load().configured(PolicySettings(namespaces=("kube-*", "a1-*")))
    assert gator.violations(policies, [_privileged("kube-system")]) == []
    assert gator.violations(policies, [_privileged("kube-tools")])
    assert gator.violations(policies, [_privileged("a1-orchestrator")])


def test_a_namespace_that_is_not_ours_is_left_alone(gator: Gator, policies: PolicySet) -> None:
    assert gator.violations(policies, [_privileged("somebody-elses")]) == []


def test_a_limit_in_the_settings_leaves_those_for_other_resources(policies: PolicySet) -> None:
    own = _policy(policies, "container-resources").constraint["spec"]["parameters"]
    changed = load().configured(PolicySettings(parameters={"container-resources": {"maxRatio": {"cpu": 20}}}))
    assert _policy(changed, "container-resources").constraint["spec"]["parameters"] == {
        **own,
        "maxRatio": {**own["maxRatio"], "cpu": 20},
    }


def test_a_trusted_registry_given_in_the_settings_replaces_the_default(gator: Gator) -> None:
    registry = "registry.example.org/a1/"
    policies = load().configured(PolicySettings(parameters={"image-registry": {"registries": [registry]}}))
    pod = _privileged("a1-orchestrator")
    pod["spec"]["containers"][0]["image"] = f"{registry}tool:1.0"
    assert "image-registry" not in {violation.policy for violation in gator.violations(policies, [pod])}
    pod["spec"]["containers"][0]["image"] = "a1platform/tool:1.0"
    assert "image-registry" in {violation.policy for violation in gator.violations(policies, [pod])}


def _leaving(manifest: dict[str, Any], **changed: object) -> dict[str, Any]:
    metadata = {
        **manifest["metadata"],
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": ["a1/hold"],
    }
    return {**manifest, "metadata": metadata, **changed}


def test_an_object_that_is_being_deleted_can_always_lose_its_finalizers(
    gator: Gator, policies: PolicySet
) -> None:
    pod = _privileged("a1-orchestrator")
    assert "pod-privilege" in gator.refusing_update(policies, pod, pod)
    held = _leaving(pod)
    free = {**held, "metadata": {**held["metadata"], "finalizers": []}}
    assert gator.refusing_update(policies, held, free) == set()


def test_an_object_that_is_being_deleted_cannot_become_what_is_refused(
    gator: Gator, policies: PolicySet
) -> None:
    labels = {"app.kubernetes.io/name": "echo", "app.kubernetes.io/part-of": "a1platform"}
    metadata = {"name": "echo", "namespace": "a1-orchestrator", "labels": labels}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"type": "ClusterIP"}}
    exposed = _leaving(service, spec={"type": "NodePort"})
    assert gator.refusing_update(policies, _leaving(service), exposed) == {"service-exposure"}
    # The audit has no object of before.
    assert {one.policy for one in gator.violations(policies, [exposed])} == {"service-exposure"}


def test_a_binding_that_is_being_deleted_cannot_take_in_somebody_else(
    gator: Gator, policies: PolicySet
) -> None:
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "masters"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "Group", "name": "system:masters"}],
    }
    everybody = _leaving(binding, subjects=[{"kind": "Group", "name": "system:authenticated"}])
    assert gator.refusing_update(policies, _leaving(binding), everybody) == {"rbac-cluster-admin"}


def test_the_documentation_lists_every_policy_with_its_default_action(policies: PolicySet) -> None:
    table = (POLICIES.parent / "docs" / "policies.md").read_text()
    listed = re.findall(r"^\| `([\w-]+)` \| (\w+) \|", table, re.MULTILINE)
    assert listed == [(policy.name, policy.action) for policy in policies.policies]
