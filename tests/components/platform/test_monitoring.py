"""Monitoring: the name that others know, and what no value shows."""

from a1platform.platform.component import PlatformArgs
from tests.components.conftest import Declared
from tests.components.platform.program import Declare, program, settings_of


def test_prometheus_is_reached_under_its_plain_name(online: dict[str, Declared]) -> None:
    service = online["prometheus-service"].inputs
    assert service["metadata"]["namespace"] == "prometheus"
    assert [port["port"] for port in service["spec"]["ports"]] == [9090]
    assert service["spec"]["selector"]["operator.prometheus.io/name"] == "kps"


def test_a_webhooks_url_is_in_no_value_of_the_chart(declare: Declare) -> None:
    url = "https://hooks.example.com/T0/secret-part"
    declared = declare(program(PlatformArgs(settings_of(monitoring={"webhooks": {"first": url}}))))
    secret = declared["platform-monitoring-webhooks"]
    assert secret.inputs["stringData"] == {"first": url}
    assert "stringData" in secret.secrets
    assert "secret-part" not in str(declared["platform-monitoring-release"].inputs)
    assert "platform-monitoring-webhooks" in declared["platform-monitoring-release"].after


def test_grafana_reads_configmaps_and_no_secrets(online: dict[str, Declared]) -> None:
    release = online["platform-monitoring-release"]
    assert release.inputs["values"]["grafana"]["rbac"] == {"create": False}
    (role,) = (one for one in online.values() if _is(one, "ClusterRole"))
    assert [rule["resources"] for rule in role.inputs["rules"]] == [["configmaps"]]
    (binding,) = (one for one in online.values() if _is(one, "ClusterRoleBinding"))
    assert binding.inputs["roleRef"]["name"] == "a1-grafana"
    assert binding.inputs["subjects"] == [
        {"kind": "ServiceAccount", "name": "grafana", "namespace": "prometheus"}
    ]


def test_without_grafana_nobody_gets_its_rights(declare: Declare) -> None:
    declared = declare(program(PlatformArgs(settings_of(monitoring={"grafana": False}))))
    assert [name for name, one in declared.items() if _is(one, "ClusterRole")] == []


def _is(one: Declared, kind: str) -> bool:
    return one.inputs.get("kind") == kind and one.inputs["metadata"]["name"] == "a1-grafana"
