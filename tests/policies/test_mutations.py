"""What Gatekeeper fills in where a pod says nothing, and what it leaves as it is."""

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
    "automount": "service-account/samples/denied/automount-left-out.yaml",
}
WISHES = {
    "securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "a1.json"}},
    "automountServiceAccountToken": True,
}


def _read(sample: str) -> dict[str, Any]:
    pod: dict[str, Any] = yaml.safe_load((POLICIES / sample).read_text())
    return pod


@pytest.mark.parametrize("name", SILENT)
def test_what_a_policy_would_refuse_for_being_left_out_is_filled_in(name: str, gator: Gator) -> None:
    pod = _read(SILENT[name])
    policies = load().configured(PolicySettings())
    assert gator.violations(policies, [pod])
    filled = {**pod, "spec": gator.mutated(ASSIGN, pod)["spec"]}
    assert gator.violations(policies, [filled]) == []


def test_what_a_pod_says_itself_is_left_as_it_is(gator: Gator) -> None:
    pod = {"metadata": {"namespace": "a1-orchestrator"}, "spec": {"containers": [], **WISHES}}
    spec = gator.mutated(ASSIGN, pod)["spec"]
    assert {key: spec[key] for key in WISHES} == WISHES


def test_a_pod_in_another_namespace_is_left_as_it_is(gator: Gator) -> None:
    pod = _read(SILENT["seccomp"])
    pod["metadata"]["namespace"] = "somebody-elses"
    assert gator.mutated(ASSIGN, pod)["spec"] == pod["spec"]


def test_no_mutation_reaches_a_system_namespace() -> None:
    for one in ASSIGN:
        assert set(one["spec"]["match"]["excludedNamespaces"]) == set(load().system_namespaces)
