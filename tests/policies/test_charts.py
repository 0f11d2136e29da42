"""No policy refuses what the parts' charts bring: rights for the whole cluster are judged everywhere."""

import pytest

from a1platform.delivery.manifest import Manifest
from a1platform.platform.policy_set import PolicySet, load
from a1platform.settings.policies import PolicySettings
from tests.charts import brought, bundle, declare, lacking
from tests.policies.gator import Gator

__all__ = ["brought", "bundle", "declare", "lacking"]

# Upstream's own manifests have it, of which a bundle's chart of ours is made. The official chart calls it
# otherwise and gives it no `*`: keda/templates/metrics-server/clusterrole.yaml of kedacore/charts v2.17.2.
OF_A_BUILT_CHART = {"keda-external-metrics-reader"}
OF_THE_CLUSTER = {"cluster-admin", "k3s-cloud-controller-manager", "local-path-provisioner-role", "system:*"}


def test_no_policy_refuses_or_warns_of_what_a_chart_brings(
    gator: Gator, policies: PolicySet, brought: list[Manifest]
) -> None:
    assert {"ClusterRole", "ClusterRoleBinding"} <= {one["kind"] for one in brought}
    assert gator.violations(policies, brought) == []


def test_the_roles_of_the_parts_are_let_through_by_their_names_alone(
    gator: Gator, brought: list[Manifest]
) -> None:
    none = PolicySettings(parameters={"rbac-cluster-wildcards": {"allowed": []}})
    found = gator.violations(load().configured(none), brought)
    assert {one.policy for one in found} <= {"rbac-cluster-wildcards"}
    assert {one.object.removeprefix("ClusterRole/") for one in found} == _of_the_parts() & _roles(brought)


def test_no_name_is_let_through_that_no_part_brings(brought: list[Manifest], lacking: dict[str, str]) -> None:
    if lacking:
        parts = "; ".join(f"{name} is {why}" for name, why in lacking.items())
        pytest.skip(f"a name may be of a part that the sandbox's bundle lacks: {parts}")
    assert _of_the_parts() - _roles(brought) <= OF_A_BUILT_CHART


def _roles(brought: list[Manifest]) -> set[str]:
    return {one["metadata"]["name"] for one in brought if one["kind"] == "ClusterRole"}


def _of_the_parts() -> set[str]:
    """Return the names that are let through because a part's role has them."""
    [policy] = [one for one in load().policies if one.name == "rbac-cluster-wildcards"]
    return set(policy.constraint["spec"]["parameters"]["allowed"]) - OF_THE_CLUSTER
