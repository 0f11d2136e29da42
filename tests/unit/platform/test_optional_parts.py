"""Jaeger and Trivy Operator: what they are told, and what they are kept from."""

from pathlib import Path
from typing import Any

import pytest

from a1platform.platform import image_scanning, namespaces, tracing
from a1platform.platform.chart import OFFICIAL, Chart
from a1platform.platform.part import PartArgs
from a1platform.platform.sizes import Sizing, mebibytes
from a1platform.services import catalog
from a1platform.services.builders.network import service_policies
from a1platform.services.model import Capabilities
from a1platform.services.resolve import resolve
from a1platform.settings.platform import ImageScanningSettings, PlatformSettings, TracingSettings
from a1platform.settings.services import Profile, ServicesSettings
from sandbox.recipes.tracing import VERSION

_HUB = catalog.TRACEHUB


def _jaeger(**settings: object) -> dict[str, object]:
    chosen = TracingSettings.model_validate(settings)
    return tracing.values(PartArgs(OFFICIAL["tracing"], chosen, Sizing(Profile.SMALL)))


def _label(values: dict[str, object]) -> str:
    jaeger = values["jaeger"]
    assert isinstance(jaeger, dict)
    return str(jaeger["podLabels"]["a1platform/configuration"])


def test_both_are_off_unless_they_are_asked_for() -> None:
    settings = PlatformSettings()
    assert not settings.tracing.enabled
    assert not settings.image_scanning.enabled


@pytest.mark.parametrize(
    ("retention", "kept"), [("3d", "72h"), ("36h", "36h"), ("2w", "336h"), ("1y", "8760h")]
)
def test_spans_go_after_the_retention_and_lie_on_the_volume(retention: str, kept: str) -> None:
    settings = TracingSettings.model_validate({"retention": retention})
    configuration = tracing.configuration(settings, Sizing(Profile.SMALL))
    stores = configuration["extensions"]["jaeger_storage"]["backends"]
    ((name, backend),) = stores.items()
    assert backend["badger"]["ttl"] == {"spans": kept}
    assert backend["badger"]["ephemeral"] is False
    args = PartArgs(OFFICIAL["tracing"], settings, Sizing(Profile.SMALL))
    (mount,) = tracing.values(args)["jaeger"]["extraVolumeMounts"]
    assert all(path.startswith(mount["mountPath"]) for path in backend["badger"]["directories"].values())
    assert configuration["exporters"] == {"jaeger_storage_exporter": {"trace_storage": name}}


@pytest.mark.parametrize(
    ("settings", "profile"),
    [
        ({}, Profile.SMALL),
        ({}, Profile.STANDARD),
        ({"storage": "500Mi", "retention": "1h"}, Profile.SMALL),
        ({"storage": "1Ti", "retention": "1y"}, Profile.STANDARD),
    ],
)
def test_within_the_retention_no_more_is_kept_than_fits_on_the_volume(
    settings: dict[str, str], profile: Profile
) -> None:
    chosen, sizing = TracingSettings.model_validate(settings), Sizing(profile)
    configuration = tracing.configuration(chosen, sizing)
    claim = tracing.volume(chosen, sizing)["spec"]["resources"]["requests"]["storage"]
    (pipeline,) = configuration["service"]["pipelines"].values()
    assert pipeline["processors"][0] == "tail_sampling"
    (policy,) = configuration["processors"]["tail_sampling"]["policies"]
    limit = policy[policy["type"]]
    (store,) = configuration["extensions"]["jaeger_storage"]["backends"].values()
    hours = int(store["badger"]["ttl"]["spans"].removesuffix("h"))
    most = limit["burst_capacity"] + limit["bytes_per_second"] * hours * 3600
    # Of a fifth of the volume, for a byte of spans takes five on the disk, nothing is given away either.
    assert 0.9 < most * 5 / (mebibytes(claim) * 1024 * 1024) <= 1


def _of_a_folder(folder: Path, version: str, settings: TracingSettings, profile: Profile) -> dict[str, Any]:
    (folder / "Chart.yaml").write_text(f'name: jaeger\nversion: 0.0.0\nappVersion: "{version}"\n')
    values = tracing.values(PartArgs(Chart(str(folder), version), settings, Sizing(profile)))
    found: dict[str, Any] = values["userconfig"]
    return found


@pytest.mark.parametrize(
    ("settings", "profile", "rate", "kept"),
    [
        ({}, Profile.SMALL, 50, 8388),
        ({}, Profile.STANDARD, 50, 41943),
        ({"storage": "10Gi", "retention": "6h"}, Profile.SMALL, 97, 21600),
        ({"storage": "1Ti", "retention": "1y"}, Profile.STANDARD, 50, 4294967),
    ],
)
def test_a_jaeger_that_counts_spans_lets_a_whole_trace_in_and_keeps_no_more_than_fits(
    tmp_path: Path, settings: dict[str, str], profile: Profile, rate: int, kept: int
) -> None:
    chosen = TracingSettings.model_validate(settings)
    configuration = _of_a_folder(tmp_path, VERSION, chosen, profile)
    (policy,) = configuration["processors"]["tail_sampling"]["policies"]
    assert policy["rate_limiting"] == {"spans_per_second": rate}
    assert policy["type"] == "rate_limiting"
    (store,) = configuration["extensions"]["jaeger_storage"]["backends"].values()
    assert store["badger"]["ttl"] == {"spans": f"{kept}s"}
    claim = tracing.volume(chosen, Sizing(profile))["spec"]["resources"]["requests"]["storage"]
    # 1024 bytes a span at most, and five on the disk for each of them: docs/adr/0012-jaegers-store.md.
    assert 0.9 < rate * kept * tracing.SPAN_BYTES * 5 / (mebibytes(claim) * 1024 * 1024) <= 1


@pytest.mark.parametrize("version", ["2.14.0", "v2.20.1", "3.0.0"])
def test_a_jaeger_of_a_bundle_that_counts_bytes_is_told_bytes(tmp_path: Path, version: str) -> None:
    found = _of_a_folder(tmp_path, version, TracingSettings(), Profile.SMALL)
    assert found == tracing.configuration(TracingSettings(), Sizing(Profile.SMALL))


@pytest.mark.parametrize(
    ("settings", "profile", "size"),
    [
        ({}, Profile.SMALL, "2Gi"),
        ({}, Profile.STANDARD, "10Gi"),
        ({"storage": "7Gi"}, Profile.SMALL, "7Gi"),
    ],
)
def test_the_volume_is_as_large_as_asked_for_and_never_waited_for(
    settings: dict[str, str], profile: Profile, size: str
) -> None:
    claim = tracing.volume(TracingSettings.model_validate(settings), Sizing(profile))
    assert claim["spec"]["resources"]["requests"]["storage"] == size
    assert claim["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"


def test_pods_are_made_anew_when_the_configuration_is_another() -> None:
    assert _label(_jaeger()) == _label(_jaeger(timeout=900))
    assert _label(_jaeger()) != _label(_jaeger(storage="9Gi"))
    assert _label(_jaeger()) != _label(_jaeger(retention="4d"))
    assert _label(_jaeger()) != _label(
        _jaeger(values={"userconfig": {"processors": {"batch": {"timeout": "1s"}}}})
    )


def test_jaeger_takes_spans_of_the_services_and_lets_prometheus_look_and_nobody_else() -> None:
    rules = tracing.network_policy(["a1-orchestrator"])["spec"]["ingress"]
    opened = {
        rule["ports"][0]["port"]: rule["from"][0]["namespaceSelector"]["matchExpressions"][0]["values"]
        for rule in rules
    }
    assert opened == {4318: ["a1-orchestrator"], 8888: ["prometheus"]}


def test_tracehub_forwards_to_where_jaeger_listens_and_only_where_there_is_one() -> None:
    assert (catalog.JAEGER_NAMESPACE, catalog.JAEGER_PORT) == (namespaces.TRACING, tracing.OTLP_PORT)
    assert f"http://{tracing.NAME}.{namespaces.TRACING}.svc:{tracing.OTLP_PORT}" == catalog.JAEGER_URL
    without = {one.entry.name: one for one in resolve(ServicesSettings())}
    with_it = {one.entry.name: one for one in resolve(ServicesSettings(), Capabilities(tracing=True))}
    changed = {name for name, one in with_it.items() if one.environment != without[name].environment}
    assert changed == {_HUB}
    assert with_it[_HUB].environment["JAEGER_OTLP_URL"] == catalog.JAEGER_URL
    opened, usual = (
        [rule for policy in service_policies(one[_HUB]) for rule in policy["spec"].get("egress", [])]
        for one in (with_it, without)
    )
    assert [rule for rule in opened if rule not in usual] == [
        {
            "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tracing"}}}],
            "ports": [{"protocol": "TCP", "port": 4318}],
        }
    ]


def test_only_vulnerabilities_are_looked_for_and_no_secret_of_the_cluster_is_read() -> None:
    args = PartArgs(
        OFFICIAL["image-scanning"],
        ImageScanningSettings(concurrent_scans=3, only_fixed=False),
        Sizing(Profile.SMALL),
    )
    values = image_scanning.values(args)
    operator = values["operator"]
    assert operator["scanJobsConcurrentLimit"] == 3
    assert not any(found for key, found in operator.items() if key != "scanJobsConcurrentLimit")
    assert "accessGlobalSecretsAndServiceAccount" in operator
    assert "vulnerabilityScannerEnabled" not in operator
    assert values["trivy"]["ignoreUnfixed"] is False
    assert values["serviceMonitor"] == {"enabled": False}


def test_neither_the_operator_nor_a_scan_is_root() -> None:
    args = PartArgs(OFFICIAL["image-scanning"], ImageScanningSettings(), Sizing(Profile.SMALL))
    values = image_scanning.values(args)
    for context in (
        values["podSecurityContext"],
        values["trivyOperator"]["scanJobPodTemplatePodSecurityContext"],
    ):
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] > 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_a_critical_finding_is_told_once_an_image_on_the_escalation_path() -> None:
    (group,) = image_scanning.alert()["spec"]["groups"]
    (rule,) = group["rules"]
    assert rule["labels"]["escalation"] == "first"
    assert 'severity="Critical"' in rule["expr"]
    assert rule["expr"].startswith("max by (namespace, image_registry, image_repository, image_tag)")
