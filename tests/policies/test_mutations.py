"""What Gatekeeper fills in where a pod or an account says nothing, and what it leaves as it is."""

from typing import Any

import pytest
import yaml

from a1platform.platform.mutations import mutations
from a1platform.platform.policy_set import POLICIES, load
from a1platform.settings.policies import PolicySettings
from tests.policies.gator import Gator

ASSIGN = mutations(POLICIES, PolicySettings().namespaces, load().system_namespaces)
SILENT = {
    "seccomp": "pod-confinement/samples/denied/seccomp-left-out.yaml",
    "automount": "service-account/samples/denied/account-with-automount-left-out.yaml",
}
PROFILE = {"seccompProfile": {"type": "Localhost", "localhostProfile": "a1.json"}}
WISHES: dict[str, dict[str, Any]] = {
    "Pod": {"spec": {"containers": [], "securityContext": PROFILE}},
    "ServiceAccount": {"automountServiceAccountToken": True},
}


def _read(sample: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((POLICIES / sample).read_text())
    return found


@pytest.mark.parametrize("name", SILENT)
def test_what_a_policy_would_refuse_for_being_left_out_is_filled_in(name: str, gator: Gator) -> None:
    silent = _read(SILENT[name])
    policies = load().configured(PolicySettings())
    assert gator.violations(policies, [silent])
    assert gator.violations(policies, [gator.mutated(ASSIGN, silent)]) == []


@pytest.mark.parametrize("kind", WISHES)
def test_what_an_object_says_itself_is_left_as_it_is(kind: str, gator: Gator) -> None:
    metadata = {"name": "one", "namespace": "a1-orchestrator"}
    said = {"apiVersion": "v1", "kind": kind, "metadata": metadata, **WISHES[kind]}
    assert gator.mutated(ASSIGN, said) == said


@pytest.mark.parametrize("name", SILENT)
def test_what_is_in_another_namespace_is_left_as_it_is(name: str, gator: Gator) -> None:
    silent = _read(SILENT[name])
    silent["metadata"]["namespace"] = "somebody-elses"
    assert gator.mutated(ASSIGN, silent) == silent


def test_a_pod_is_not_said_to_have_no_token_after_kubernetes_has_mounted_one(gator: Gator) -> None:
    pod = _read("service-account/samples/denied/automount-left-out.yaml")
    assert "automountServiceAccountToken" not in gator.mutated(ASSIGN, pod)["spec"]


def test_no_mutation_reaches_a_system_namespace() -> None:
    for one in ASSIGN:
        assert set(one["spec"]["match"]["excludedNamespaces"]) == set(load().system_namespaces)
