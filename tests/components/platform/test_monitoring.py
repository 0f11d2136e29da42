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
