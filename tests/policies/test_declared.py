"""No policy refuses what Pulumi itself puts into the cluster: the whole program, on a recording engine."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest
import yaml

from a1platform.platform.component import Platform, PlatformArgs
from a1platform.platform.policy_set import POLICIES, PolicySet, load
from a1platform.services.catalog import CATALOG
from a1platform.services.component import McpServices, McpServicesArgs
from a1platform.services.credentials import Credentials
from a1platform.services.model import Capabilities
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.policies import PolicySettings
from a1platform.settings.services import Profile, ServicesSettings
from tests.components.conftest import Declared, declare
from tests.policies.gator import Gator

__all__ = ["declare"]

Objects = list[dict[str, Any]]


def _program(profile: Profile, *, keda: bool) -> Callable[[], pulumi.Output[Any]]:
    def program() -> pulumi.Output[Any]:
        # The optional parts too.
        on = {"tracing": {"enabled": True}, "imageScanning": {"enabled": True}}
        settings = PlatformSettings.model_validate({"profile": profile, "keda": {"enabled": keda}, **on})
        secrets = Credentials("credentials").content
        platform = Platform("platform", PlatformArgs(settings, secrets=secrets))
        offered = Capabilities(keda=platform.has_keda, monitoring=platform.has_monitoring)
        args = McpServicesArgs(ServicesSettings(profile=profile), offered, after=[platform])
        return pulumi.Output.all(platform.parts, McpServices("services", args).names)

    return program


@pytest.fixture(
    scope="module",
    params=[(Profile.SMALL, True), (Profile.STANDARD, False)],
    ids=["small-with-keda", "standard-without"],
)
def objects(request: pytest.FixtureRequest, declare: Callable[..., dict[str, Declared]]) -> Objects:
    """Every Kubernetes object that the program declares, but for the policies and what charts bring."""
    profile, keda = request.param
    found = [one.inputs for one in declare(_program(profile, keda=keda)).values() if "kind" in one.inputs]
    return [one for one in found if not one["apiVersion"].split("/")[0].endswith("gatekeeper.sh")]


def test_every_object_that_pulumi_declares_passes_every_policy_but_for_the_digests(
    gator: Gator, policies: PolicySet, objects: Objects
) -> None:
    critical = {f"Deployment/{entry.name}" for entry in CATALOG if entry.critical}
    found = {(one.policy, one.action, one.object) for one in gator.violations(policies, objects)}
    assert found == {("image-digest", "dryrun", name) for name in critical}


def test_what_we_put_beside_the_parts_would_pass_where_the_policies_do_not_apply_by_default(
    gator: Gator, objects: Objects
) -> None:
    others = tuple(yaml.safe_load((POLICIES / "other-namespaces.yaml").read_text()))
    there = [one for one in objects if one["metadata"].get("namespace") in others]
    assert {one["metadata"]["namespace"] for one in there} == set(others) - {"default"}
    assert gator.violations(load().configured(PolicySettings(namespaces=others)), there) == []


def test_the_program_declares_what_the_policies_are_about(objects: Objects) -> None:
    kinds = {one["kind"] for one in objects}
    about = {"ClusterRole", "ClusterRoleBinding", "Deployment", "HorizontalPodAutoscaler", "Namespace"}
    assert kinds >= about | {"PodDisruptionBudget", "Role", "RoleBinding", "Service", "ServiceAccount"}
