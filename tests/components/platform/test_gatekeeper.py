"""Gatekeeper and the policies: whom they leave alone, and when they come."""

from a1platform.platform.component import PlatformArgs
from a1platform.settings.policies import PolicySettings
from tests.components.conftest import Declared
from tests.components.platform.program import NAMESPACE, Declare, before, of_type, program, settings_of


def test_gatekeeper_leaves_the_systems_namespaces_alone_and_no_other(online: dict[str, Declared]) -> None:
    labelled = {
        one.inputs["metadata"]["name"]
        for one in of_type(online, NAMESPACE).values()
        if "admission.gatekeeper.sh/ignore" in one.inputs["metadata"]["labels"]
    }
    values = online["platform-gatekeeper-release"].inputs["values"]
    exempt = set(values["controllerManager"]["exemptNamespaces"])
    assert labelled <= exempt
    assert not exempt & {"a1-orchestrator", "a1-secrets"}
    assert "kube-system" in exempt


def test_policies_come_when_gatekeeper_answers(online: dict[str, Declared]) -> None:
    policies = [name for name in online if name.startswith("platform-policies-")]
    assert policies
    assert all("platform-gatekeeper-release" in before(online, name) for name in policies)


def test_hooks_whose_images_no_bundle_holds_are_off_in_a_closed_network(closed: dict[str, Declared]) -> None:
    values = closed["platform-gatekeeper-release"].inputs["values"]
    assert values["upgradeCRDs"]["enabled"] is False
    assert values["postInstall"]["probeWebhook"] == {"enabled": False}
    assert values["postInstall"]["labelNamespace"] == {"enabled": False}
    assert closed["platform-monitoring-release"].inputs["values"]["grafana"] == {"enabled": False}


def test_what_policies_find_is_told_where_somebody_listens(declare: Declare) -> None:
    rule = "a1-policies-prometheusrule"
    assert rule in declare(program(PlatformArgs()))
    assert rule not in declare(program(PlatformArgs(settings_of(monitoring={"enabled": False}))))


def test_policies_can_be_switched_off_alone(declare: Declare) -> None:
    declared = declare(program(PlatformArgs(policies=PolicySettings(enabled=False))))
    assert "platform-gatekeeper-release" in declared
    assert not [name for name in declared if "polic" in name]


def test_the_accounts_of_services_with_rights_reach_the_policy_on_tokens(declare: Declare) -> None:
    declared = declare(program(PlatformArgs(accounts_with_token=("a1-orchestrator/mcp-reader",))))
    [policy] = [one for one in declared.values() if one.inputs.get("kind") == "A1ServiceAccount"]
    assert policy.inputs["spec"]["parameters"] == {"accountsWithToken": ["a1-orchestrator/mcp-reader"]}
