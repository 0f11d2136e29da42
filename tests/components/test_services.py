"""The component `McpServices` against a recording mock engine: what it declares and in which order."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pulumi
import pytest

from a1platform.platform.recovery import RunOnServer
from a1platform.services.component import McpServices, McpServicesArgs
from a1platform.services.model import Capabilities
from a1platform.settings.services import ServicesSettings
from tests.components.conftest import Declared

GIT = "git://10.0.0.1/a1.git"


Declare = Callable[..., dict[str, Declared]]


@pytest.fixture(scope="module", autouse=True)
def hooks() -> Iterator[None]:
    """Register hooks nowhere: the mock engine calls none."""

    def register(_: object) -> asyncio.Future[None]:
        return asyncio.ensure_future(asyncio.sleep(0))

    with pytest.MonkeyPatch.context() as patch:
        for kind in ("resource", "error"):
            patch.setattr(f"pulumi.resource_hooks.register_{kind}_hook", register)
        yield


@pytest.fixture(scope="module")
def services(declare: Declare) -> Declare:
    """Declare the services as settings ask for, on a platform with these capabilities."""

    def run(
        settings: ServicesSettings,
        capabilities: Capabilities | None = None,
        on_server: RunOnServer | None = None,
    ) -> dict[str, Declared]:
        def program() -> pulumi.Output[Any]:
            platform = pulumi.ComponentResource("test:index:Platform", "platform")
            part = pulumi.CustomResource(
                "kubernetes:core/v1:Namespace", "ns", {}, pulumi.ResourceOptions(parent=platform)
            )
            given = McpServicesArgs(settings, capabilities or Capabilities(), (part,), on_server)
            return McpServices("services", given).names

        return declare(program)

    return run


def _objects(declared: dict[str, Declared]) -> dict[str, Declared]:
    return {
        name: one
        for name, one in declared.items()
        if one.type.startswith("kubernetes:") and one.parent != "platform"
    }


@pytest.fixture(scope="module")
def declared(services: Declare) -> dict[str, Declared]:
    return services(ServicesSettings())


def test_each_service_is_a_component_with_its_own_objects_below_it(declared: dict[str, Declared]) -> None:
    services = [name for name, one in declared.items() if one.type == "a1platform:services:McpService"]
    assert len(services) == 6
    for name in services:
        assert declared[name].parent == "services"
        assert declared[f"{name}-deployment"].parent == name


def test_every_object_reaches_the_engine_as_it_is_rendered(declared: dict[str, Declared]) -> None:
    deployment = declared["mcp-gateway-deployment"]
    assert deployment.type == "kubernetes:apps/v1:Deployment"
    assert deployment.inputs["metadata"]["name"] == "mcp-gateway"
    assert deployment.inputs["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    assert "replicas" not in deployment.inputs["spec"]
    assert declared["mcp-gateway-service"].type == "kubernetes:core/v1:Service"
    assert declared["mcp-gateway-scaledobject"].type == "kubernetes:keda.sh/v1alpha1:ScaledObject"


def test_pods_start_after_their_policy_and_secrets_and_never_wait_for_their_service(
    declared: dict[str, Declared],
) -> None:
    after = declared["mcp-gateway-deployment"].after
    assert {
        "mcp-gateway-networkpolicy",
        "mcp-gateway-egress-networkpolicy",
        "mcp-gateway-serviceaccount",
        "mcp-gateway-externalsecret",
    } <= set(after)
    assert not [name for name in after if name.endswith("-service")]


def test_no_policy_is_about_all_pods_as_those_are_the_platforms_with_and_without_services(
    declared: dict[str, Declared],
) -> None:
    policies = [one for one in declared.values() if one.type.endswith(":NetworkPolicy")]
    assert policies
    assert [one.name for one in policies if not one.inputs["spec"]["podSelector"]] == []


def test_what_a_service_calls_is_open_before_the_policy_of_its_name_is_about_its_callers_alone(
    declared: dict[str, Declared],
) -> None:
    assert "mcp-gateway-egress-networkpolicy" in declared["mcp-gateway-networkpolicy"].after


def test_everything_waits_for_what_the_platform_gives_the_services(declared: dict[str, Declared]) -> None:
    assert not [name for name, one in _objects(declared).items() if "ns" not in one.after]


@pytest.mark.parametrize("keda", [True, False])
def test_no_workload_is_declared_with_two_autoscalers(services: Declare, keda: bool) -> None:  # noqa: FBT001
    objects = _objects(services(ServicesSettings(), Capabilities(keda=keda))).values()
    scaled = [
        one.inputs["spec"]["scaleTargetRef"]["name"]
        for one in objects
        if one.type.endswith((":HorizontalPodAutoscaler", ":ScaledObject"))
    ]
    assert len(scaled) == len(set(scaled)) == 6


def test_an_autoscaler_waits_for_what_it_scales(declared: dict[str, Declared]) -> None:
    assert "mcp-gateway-deployment" in declared["mcp-gateway-scaledobject"].after
    assert "mcp-config-deployment" in declared["mcp-config-horizontalpodautoscaler"].after


def test_what_argocd_would_take_over_is_not_deleted_with_its_declaration(
    declared: dict[str, Declared],
) -> None:
    deleted = {one.type.split(":")[-1] for one in _objects(declared).values() if not one.retained}
    assert deleted == {"HorizontalPodAutoscaler", "ScaledObject"}


def test_every_object_is_applied_in_argo_cds_name_so_that_it_can_remove_what_pulumi_once_set(
    declared: dict[str, Declared],
) -> None:
    managers = {
        one.inputs["metadata"]["annotations"]["pulumi.com/patchFieldManager"]
        for one in _objects(declared).values()
    }
    assert managers == {"argocd-controller"}


def test_without_keda_and_monitoring_no_kind_of_theirs_is_declared(services: Declare) -> None:
    declared = services(ServicesSettings(), Capabilities(keda=False, monitoring=False))
    assert "mcp-gateway-horizontalpodautoscaler" in declared
    assert not [
        one for one in declared.values() if "keda.sh" in one.type or "monitoring.coreos.com" in one.type
    ]


def test_with_argocd_pulumi_declares_the_root_application_both_projects_and_nothing_else(
    services: Declare,
) -> None:
    settings = ServicesSettings.model_validate(
        {"delivery": "argocd", "gitops": {"repoUrl": GIT, "revision": "v1", "path": "manifests"}}
    )
    declared = _objects(services(settings))
    assert set(declared) == {"a1-root-application", "a1-root-appproject", "a1-appproject"}
    root = declared["a1-root-application"]
    # And so the projects go after the root, whose end takes the Applications with it.
    assert set(root.after) == {"a1-root-appproject", "a1-appproject"}
    assert root.inputs["spec"]["project"] == "a1-root"
    assert root.inputs["spec"]["source"]["repoURL"] == GIT
    assert root.inputs["spec"]["source"]["targetRevision"] == "v1"
    assert root.inputs["spec"]["source"]["path"] == "manifests/root"


def test_the_project_that_git_once_brought_is_taken_over_when_argo_cd_may_no_longer_prune_it(
    services: Declare,
) -> None:
    settings = ServicesSettings.model_validate({"delivery": "argocd", "gitops": {"repoUrl": GIT}})
    project = services(settings)["a1-appproject"]
    assert project.after == ("a1-root-appproject",)
    assert project.inputs["spec"]["sourceRepos"] == [GIT]
    annotations = project.inputs["metadata"]["annotations"]
    assert annotations["pulumi.com/patchFieldManager"] == "argocd-controller"
    assert annotations["pulumi.com/patchForce"] == "true"


@pytest.mark.parametrize(
    ("url", "credentials", "access"),
    [
        (
            "https://git.example.com/a1.git",
            {"username": "deploy", "password": "of-mine"},
            {"username": "deploy", "password": "of-mine"},
        ),
        ("git@git.example.com:a1.git", {"sshPrivateKey": "of-mine"}, {"sshPrivateKey": "of-mine"}),
    ],
)
def test_argo_cd_reads_a_private_repository_by_a_secret_that_is_there_before_the_root(
    services: Declare, url: str, credentials: dict[str, str], access: dict[str, str]
) -> None:
    gitops = {"repoUrl": url, "credentials": credentials}
    settings = ServicesSettings.model_validate({"delivery": "argocd", "gitops": gitops})
    declared = services(settings)
    secret = declared["a1-repository-secret"]
    assert secret.type == "kubernetes:core/v1:Secret"
    assert secret.inputs["metadata"]["namespace"] == "argocd"
    assert secret.inputs["metadata"]["labels"]["argocd.argoproj.io/secret-type"] == "repository"
    assert "stringData" in secret.secrets
    # What the cluster returns of it stands in the state as well.
    assert set(secret.secret_outputs) == {"data", "stringData"}
    assert secret.inputs["stringData"] == {"type": "git", "url": url, **access}
    assert "a1-repository-secret" in declared["a1-root-application"].after
    assert "of-mine" not in str(declared["a1-root-application"].inputs)


def test_a_run_ends_when_argo_cd_has_everything_of_this_revision_healthy(services: Declare) -> None:
    settings = ServicesSettings.model_validate(
        {"delivery": "argocd", "gitops": {"repoUrl": GIT, "revision": "a=b", "path": "manifests"}}
    )
    annotations = services(settings)["a1-root-application"].inputs["metadata"]["annotations"]
    assert json.loads(annotations["pulumi.com/waitFor"]) == [
        f"jsonpath={{.status.sync.comparedTo.source.repoURL}}={GIT}",
        "jsonpath={.status.sync.comparedTo.source.path}=manifests/root",
        "jsonpath={.status.sync.status}=Synced",
        "jsonpath={.status.health.status}=Healthy",
    ]


def _answer(_: str) -> str:
    return ""


def test_what_is_no_longer_declared_is_looked_for_after_everything_is_applied(services: Declare) -> None:
    declared = services(ServicesSettings(), on_server=_answer)
    inventory = declared["a1-inventory-configmap"]
    others = {name for name in _objects(declared) if name != "a1-inventory-configmap"}
    assert set(inventory.after) == others
    assert inventory.hooks == ("a1-prune",)
    # Kept, it would be an object that nobody owns once Argo CD delivers.
    assert inventory.retained is False
    listed = inventory.inputs["metadata"]["annotations"]["a1platform/declared"].splitlines()
    assert len(listed) == len(others)


def test_what_leaves_the_configuration_leaves_the_inventory_and_so_updates_it(services: Declare) -> None:
    def listed(**settings: object) -> set[str]:
        declared = services(ServicesSettings.model_validate(settings), on_server=_answer)
        annotations = declared["a1-inventory-configmap"].inputs["metadata"]["annotations"]
        return set(annotations["a1platform/declared"].splitlines())

    without = listed(example=False, quota={"enabled": False})
    assert without < listed()
    gone = listed() - without
    assert {"resourcequota/services", "limitrange/containers", "deployment.apps/mcp-example-tools"} <= gone


def test_nothing_is_deleted_by_a_move_to_argo_cd(services: Declare) -> None:
    settings = ServicesSettings.model_validate({"delivery": "argocd", "gitops": {"repoUrl": GIT}})
    objects = _objects(services(settings, on_server=_answer))
    assert not [name for name, one in objects.items() if one.hooks]
    assert "a1-inventory-configmap" not in objects


def test_a_plain_autoscaler_comes_after_kedas_of_the_same_name_is_gone(services: Declare) -> None:
    objects = _objects(services(ServicesSettings(), Capabilities(keda=False), _answer))
    plain = [one for one in objects.values() if one.type.endswith(":HorizontalPodAutoscaler")]
    assert len(plain) == 6
    assert all(one.hooks == ("a1-handover",) for one in plain)


def test_the_root_application_goes_when_the_delivery_moves_back_to_pulumi(services: Declare) -> None:
    settings = ServicesSettings.model_validate({"delivery": "argocd", "gitops": {"repoUrl": GIT}})
    assert services(settings)["a1-root-application"].retained is False
