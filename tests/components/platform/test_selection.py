"""What is installed from where, and what is left out with the reason."""

import re
from pathlib import Path
from typing import Any

import pulumi
import pytest

from a1platform.platform.chart_schema import ChartValuesError
from a1platform.platform.component import Platform, PlatformArgs
from a1platform.platform.selection import OPTIONAL
from tests.components.conftest import Declared
from tests.components.platform.program import (
    NAMESPACE,
    RELEASE,
    Declare,
    bundle_of,
    of_type,
    program,
    settings_of,
)


def test_from_a_bundle_nothing_is_downloaded(closed: dict[str, Declared]) -> None:
    found = of_type(closed, RELEASE)
    assert len(found) == 6
    for one in found.values():
        assert re.fullmatch(r"[^/].*/charts/[a-z-]+", one.inputs["chart"])
        assert one.inputs["version"] == "9.9.9"
        assert "repositoryOpts" not in one.inputs


def test_values_that_a_bundled_chart_refuses_stop_a_preview(declare: Declare, tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path, "external-secrets")
    chart = tmp_path / "charts" / "external-secrets"
    chart.mkdir(parents=True)
    (chart / "values.schema.json").write_text('{"properties": {"replicaCount": {"type": "integer"}}}')
    settings = settings_of(externalSecrets={"values": {"replicaCount": "three"}})
    with pytest.raises(
        ChartValuesError, match="release external-secrets refuses its values:\n  replicaCount"
    ):
        declare(program(PlatformArgs(settings, bundle=bundle)), preview=True)


def test_a_part_that_the_bundle_lacks_is_not_declared_and_its_reason_is_told(
    declare: Declare, tmp_path: Path
) -> None:
    told: list[dict[str, str]] = []
    bundle = bundle_of(tmp_path, "gatekeeper", "external-secrets", monitoring="build failed")

    def made() -> pulumi.Output[Any]:
        platform = Platform("platform", PlatformArgs(bundle=bundle))
        assert [platform.has_keda, platform.has_monitoring, platform.has_tracing] == [False] * 3
        return platform.parts.apply(told.append)

    declared = declare(made)
    assert set(of_type(declared, RELEASE)) == {
        "platform-gatekeeper-release",
        "platform-external-secrets-release",
    }
    assert {one.inputs["metadata"]["name"] for one in of_type(declared, NAMESPACE).values()} == {
        "gatekeeper-system",
        "external-secrets",
        "a1-secrets",
        "a1-orchestrator",
    }
    assert told == [
        {
            "gatekeeper": "upstream manifests",
            "external-secrets": "upstream manifests",
            "keda": "left out: the bundle has no chart of keda",
            "argo-cd": "left out: the bundle has no chart of argo-cd",
            "monitoring": "left out: build failed",
        }
    ]


def test_a_part_that_could_not_be_built_is_told_with_that_reason_also_where_it_is_switched_off(
    declare: Declare, tmp_path: Path
) -> None:
    told: list[dict[str, str]] = []
    bundle = bundle_of(tmp_path, "gatekeeper", keda="not built: no answer")
    off = {"enabled": False}
    args = PlatformArgs(settings_of(keda=off, gatekeeper=off), bundle=bundle)
    declare(lambda: Platform("platform", args).parts.apply(told.append))
    assert told[0]["keda"] == "left out: not built: no answer"
    assert told[0]["gatekeeper"] == "left out: switched off in the settings"


def test_without_monitoring_nothing_of_its_kinds_is_declared(declare: Declare) -> None:
    declared = declare(program(PlatformArgs(settings_of(monitoring={"enabled": False}))))
    assert not [one for one in declared.values() if "monitoring.coreos.com" in one.type]
    keda = declared["platform-keda-release"].inputs["values"]["prometheus"]
    assert all(role["serviceMonitor"] == {"enabled": False} for role in keda.values())


def test_with_everything_switched_off_only_the_services_closed_namespace_and_roles_are_left(
    declare: Declare,
) -> None:
    off = {"enabled": False}
    settings = settings_of(gatekeeper=off, externalSecrets=off, keda=off, argoCd=off, monitoring=off)
    declared = declare(program(PlatformArgs(settings)))
    assert {one.name for one in declared.values() if one.type.startswith("kubernetes:")} == {
        "a1-orchestrator-namespace",
        "a1-orchestrator-default-account",
        "a1-orchestrator-default-deny-ingress",
        "a1-orchestrator-default-deny-egress",
        "a1-platform-engineer-clusterrole",
        "a1-platform-engineer-clusterrolebinding",
        "a1-platform-engineer-pages-clusterrole",
        "a1-platform-engineer-workloads-clusterrole",
        "a1-platform-engineer-workloads-rolebinding",
        "a1-service-developer-clusterrole",
        "a1-service-developer-rolebinding",
        "a1-read-only-clusterrole",
        "a1-read-only-clusterrolebinding",
    }


def test_what_is_off_by_default_is_neither_declared_nor_told(
    online: dict[str, Declared], declare: Declare
) -> None:
    told: list[dict[str, str]] = []
    declare(lambda: Platform("platform", PlatformArgs()).parts.apply(told.append))
    for part in OPTIONAL:
        assert part not in told[0]
        assert not [name for name in online if f"-{part}" in name]
    assert not [one for one in of_type(online, NAMESPACE) if "tracing" in one or "trivy" in one]


def test_an_optional_part_that_the_bundle_lacks_is_left_out_with_the_reason(
    declare: Declare, tmp_path: Path
) -> None:
    told: list[dict[str, str]] = []
    bundle = bundle_of(tmp_path, "gatekeeper")
    args = PlatformArgs(settings_of(tracing={"enabled": True}), bundle=bundle)
    declare(lambda: Platform("platform", args).parts.apply(told.append))
    assert told[0]["tracing"] == "left out: the bundle has no chart of tracing"
