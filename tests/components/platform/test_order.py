"""What is there before what, and what no part waits for."""

from typing import Any

import pulumi
import pytest

from a1platform.platform.component import Platform, PlatformArgs
from tests.components.conftest import Declared
from tests.components.platform.program import (
    NAMESPACE,
    PARTS,
    RELEASES,
    Declare,
    before,
    of_type,
    program,
    settings_of,
)


def test_every_namespace_is_there_before_any_release(online: dict[str, Declared]) -> None:
    namespaces = set(of_type(online, NAMESPACE))
    assert {online[name].inputs["metadata"]["name"] for name in namespaces} == {
        "gatekeeper-system",
        "external-secrets",
        "a1-secrets",
        "keda",
        "argocd",
        "prometheus",
        "node-exporter",
        "a1-orchestrator",
    }
    for name in RELEASES:
        assert namespaces <= before(online, name)


def test_no_namespace_hands_tokens_of_its_default_account_to_every_pod(online: dict[str, Declared]) -> None:
    spaces = {one.inputs["metadata"]["name"] for one in of_type(online, NAMESPACE).values()}
    accounts = [online[f"{space}-default-account"] for space in spaces]
    assert {one.inputs["metadata"]["namespace"] for one in accounts} == spaces
    assert not any(one.inputs["automountServiceAccountToken"] for one in accounts)


def test_pods_are_restricted_everywhere_but_where_the_node_exporter_needs_the_host(
    online: dict[str, Declared],
) -> None:
    for one in of_type(online, NAMESPACE).values():
        metadata = one.inputs["metadata"]
        level = "privileged" if metadata["name"] == "node-exporter" else "restricted"
        assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == level


@pytest.mark.parametrize("part", ["keda", "argo-cd", "external-secrets", "monitoring"])
def test_the_monitoring_kinds_are_there_before_a_chart_looks_for_them(
    online: dict[str, Declared], part: str
) -> None:
    assert "platform-monitoring-crds" in online[f"platform-{part}-release"].after


def test_no_part_waits_for_the_pods_of_another(online: dict[str, Declared]) -> None:
    for name in RELEASES:
        assert before(online, name) & set(RELEASES) <= {"platform-monitoring-crds"}


def test_every_namespace_denies_all_other_traffic_but_the_parts_where_the_settings_leave_them_open(
    online: dict[str, Declared], declare: Declare
) -> None:
    kind = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
    spaces = {one.inputs["metadata"]["name"] for one in of_type(online, NAMESPACE).values()}
    for one in of_type(online, kind).values():
        assert f"{one.inputs['metadata']['namespace']}-namespace" in one.after

    def closed(declared: dict[str, Declared]) -> set[tuple[str, ...]]:
        return {
            (one.inputs["metadata"]["namespace"], *one.inputs["spec"]["policyTypes"])
            for one in of_type(declared, kind).values()
        }

    assert closed(online) == {(space, way) for space in spaces for way in ("Ingress", "Egress")}
    open_parts = declare(program(PlatformArgs(settings_of(networkPolicies=False))))
    assert closed(open_parts) == {("a1-orchestrator", way) for way in ("Ingress", "Egress")}


def test_the_services_wait_for_what_they_need_and_not_for_what_looks_at_them(declare: Declare) -> None:
    def made() -> pulumi.Output[Any]:
        platform = Platform("platform", PlatformArgs(settings_of()))
        needed = pulumi.ResourceOptions(depends_on=platform.services_need)
        pulumi.CustomResource("test:index:Service", "service", {}, needed)
        return platform.parts

    waits = before(declare(made), "service")
    needed = {"gatekeeper", "external-secrets", "argo-cd", "keda"}
    assert waits & set(RELEASES) == {f"platform-{one}-release" for one in needed} | {
        "platform-monitoring-crds"
    }
    assert "a1-cluster-store-clustersecretstore" in waits
    assert {f"a1-orchestrator-default-deny-{way}" for way in ("ingress", "egress")} <= waits
    assert any(name.startswith("platform-policies-") for name in waits)


def test_a_role_is_bound_where_its_namespace_is_there(online: dict[str, Declared]) -> None:
    assert "a1-orchestrator-namespace" in online["a1-service-developer-rolebinding"].after


def test_everything_waits_for_what_the_platform_itself_waits_for(declare: Declare) -> None:
    def made() -> pulumi.Output[Any]:
        images = pulumi.CustomResource("test:index:Images", "images", {})
        return Platform("platform", PlatformArgs(after=(images,))).parts

    declared = declare(made)
    assert all("images" in before(declared, name) for name in (*RELEASES, "a1-orchestrator-namespace"))


def test_a_part_waits_for_its_own_images_and_for_no_others(declare: Declare) -> None:
    def made() -> pulumi.Output[Any]:
        images = {part: [pulumi.CustomResource("test:index:Images", f"images-{part}", {})] for part in PARTS}
        return Platform("platform", PlatformArgs(images=images)).parts

    declared = declare(made)
    for part in PARTS:
        earlier = before(declared, f"platform-{part}-release")
        assert [name for name in earlier if name.startswith("images-")] == [f"images-{part}"]
    assert not [name for name in before(declared, "platform-monitoring-crds") if name.startswith("images-")]
