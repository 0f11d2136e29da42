"""No policy refuses what the platform itself delivers."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from a1platform.platform.policy_set import PolicySet
from a1platform.services.catalog import CATALOG
from tests.policies.gator import Gator

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"

_LATER = {"HorizontalPodAutoscaler", "PodDisruptionBudget", "ScaledObject"}
"""What a new cluster gets after the workload that it is for."""
WORKLOADS = ("CronJob", "DaemonSet", "Deployment", "Job", "Pod", "StatefulSet")


@pytest.fixture(scope="module")
def manifests() -> list[dict[str, Any]]:
    """All rendered objects but the policies themselves."""
    paths = sorted(MANIFESTS.rglob("*.yaml"))
    objects = [entry for path in paths for entry in yaml.safe_load_all(path.read_text()) if entry]
    if not objects:
        pytest.skip("manifests/ holds no rendered manifest yet")
    return [entry for entry in objects if not entry["apiVersion"].split("/")[0].endswith("gatekeeper.sh")]


def test_every_rendered_manifest_passes_every_policy_but_for_the_digests_that_a_bundle_has_none_of(
    gator: Gator, policies: PolicySet, manifests: list[dict[str, Any]]
) -> None:
    critical = {f"Deployment/{entry.name}" for entry in CATALOG if entry.critical}
    found = {(one.policy, one.action, one.object) for one in gator.violations(policies, manifests)}
    assert found == {("image-digest", "dryrun", name) for name in critical}


def test_what_refuses_a_workload_that_comes_before_its_autoscaler_and_its_budget_may_never_deny(
    gator: Gator, policies: PolicySet, manifests: list[dict[str, Any]]
) -> None:
    first = [entry for entry in manifests if entry["kind"] not in _LATER]
    found = {one.policy for one in gator.violations(policies, first)}
    assert found - {"image-digest"} == {one.name for one in policies.policies if one.never_denies}


def test_every_rendered_workload_would_be_refused_if_it_asked_for_the_host(
    gator: Gator, policies: PolicySet, manifests: list[dict[str, Any]]
) -> None:
    workloads = [copy.deepcopy(entry) for entry in manifests if entry["kind"] in WORKLOADS]
    for workload in workloads:
        pod = (
            workload["spec"]
            if workload["kind"] == "Pod"
            else workload["spec"].get("template", {}).get("spec")
        )
        (pod or workload["spec"]["jobTemplate"]["spec"]["template"]["spec"])["hostNetwork"] = True
    refused = {
        violation.object
        for violation in gator.violations(policies, workloads)
        if violation.policy == "pod-host-access"
    }
    assert refused == {f"{entry['kind']}/{entry['metadata']['name']}" for entry in workloads}
    assert refused
