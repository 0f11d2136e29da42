"""Jaeger and Trivy Operator, which are off by default."""

from a1platform.platform.chart import OFFICIAL
from a1platform.platform.component import PlatformArgs
from tests.components.conftest import Declared
from tests.components.platform.program import Declare, before, program, settings_of


def test_jaeger_is_one_release_with_a_volume_and_a_guard_that_come_before_it(
    whole: dict[str, Declared],
) -> None:
    release = whole["platform-tracing-release"].inputs
    assert (release["name"], release["namespace"]) == ("jaeger", "tracing")
    assert (release["chart"], release["version"]) == (OFFICIAL["tracing"].source, OFFICIAL["tracing"].version)
    earlier = before(whole, "platform-tracing-release")
    assert {
        "jaeger-persistentvolumeclaim",
        "jaeger-networkpolicy",
        "tracing-namespace",
        "platform-monitoring-crds",
    } <= earlier
    assert "platform-monitoring-crds" in whole["jaeger-servicemonitor"].after
    policy = whole["jaeger-networkpolicy"].inputs["spec"]["ingress"][0]
    assert "a1-orchestrator" in str(policy)


def test_trivy_is_one_release_and_its_alert_comes_with_monitoring_only(
    whole: dict[str, Declared], declare: Declare
) -> None:
    release = whole["platform-image-scanning-release"].inputs
    assert (release["name"], release["namespace"]) == ("trivy-operator", "trivy-system")
    assert whole["image-scanning-prometheusrule"].inputs["metadata"]["namespace"] == "trivy-system"
    assert "platform-monitoring-crds" in whole["image-scanning-prometheusrule"].after
    settings = settings_of(
        tracing={"enabled": True}, imageScanning={"enabled": True}, monitoring={"enabled": False}
    )
    alone = declare(program(PlatformArgs(settings)))
    assert "platform-image-scanning-release" in alone
    assert not [one for one in alone.values() if "monitoring.coreos.com" in one.type]
