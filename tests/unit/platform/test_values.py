"""The values that the charts get: pure functions of settings, for both profiles."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from a1platform.platform.sizes import CONTAINERS, OPTIONAL, PRIORITY, SIZES, Sizing, resources
from a1platform.platform.values import merged
from a1platform.services.resolve import resolve
from a1platform.settings.platform import PartName, PlatformSettings
from a1platform.settings.services import Profile, ServicesSettings
from a1platform.settings.sizes import Container
from tests.unit.platform.charts import Values, values_of

SMALL_MILLI = 1600
"""What all of the platform may reserve of the two cores of a small node."""
K3S_MILLI = 200
"""CoreDNS and metrics-server."""
K3S_MIB = 140
DOCUMENT = Path(__file__).parents[3] / "docs" / "platform.md"
_TWICE = ("prometheus-reloader", "grafana-sidecar")


def _resources(values: Any) -> Iterator[Values]:  # noqa: ANN401 - whatever a chart takes
    if isinstance(values, dict):
        if {"requests", "limits"} == values.keys():
            yield values
        for inner in values.values():
            yield from _resources(inner)


@pytest.mark.parametrize("profile", Profile)
def test_memory_that_a_container_asks_for_is_what_it_may_use(profile: Profile) -> None:
    for values in values_of(profile).values():
        found = list(_resources(values))
        assert found
        assert all(one["requests"]["memory"] == one["limits"]["memory"] for one in found)


def test_in_the_standard_profile_every_pod_is_guaranteed() -> None:
    for values in values_of(Profile.STANDARD).values():
        assert all(one["requests"] == one["limits"] for one in _resources(values))


def test_in_the_small_profile_a_container_may_use_a_core_to_start() -> None:
    for container in SIZES:
        assert resources(container, Sizing(Profile.SMALL))["limits"]["cpu"] == "1000m"


@pytest.mark.parametrize(
    ("part", "places"),
    [
        ("gatekeeper", ("controllerManager", "audit", "upgradeCRDs")),
        ("external-secrets", ("", "webhook", "certController")),
        ("keda", ("",)),
        ("argo-cd", ("global",)),
        (
            "monitoring",
            (
                "prometheusOperator",
                "prometheus.prometheusSpec",
                "alertmanager.alertmanagerSpec",
                "kube-state-metrics",
                "prometheus-node-exporter",
                "grafana",
            ),
        ),
    ],
)
def test_no_part_stays_pending_because_services_have_taken_the_node(
    part: str, places: tuple[str, ...]
) -> None:
    for place in places:
        found = values_of(Profile.SMALL)[part]
        for key in filter(None, place.split(".")):
            found = found[key]
        assert found["priorityClassName"] == PRIORITY, place


def test_a_container_may_be_of_a_size_of_its_own_and_what_is_not_said_stays() -> None:
    chosen = PlatformSettings.model_validate({"sizes": {"prometheus": {"memoryMib": 2000}}})
    spec = values_of(Profile.SMALL, chosen)["monitoring"]["prometheus"]["prometheusSpec"]
    assert spec["resources"] == {
        "requests": {"cpu": "120m", "memory": "2000Mi"},
        "limits": {"cpu": "1000m", "memory": "2000Mi"},
    }
    chosen = PlatformSettings.model_validate({"sizes": {"jaeger": {"memoryMib": 1000, "cpuMilli": 70}}})
    jaeger = values_of(Profile.STANDARD, chosen)["tracing"]["jaeger"]
    assert jaeger["resources"]["limits"] == {"cpu": "70m", "memory": "1000Mi"}
    assert jaeger["extraEnv"] == [{"name": "GOMEMLIMIT", "value": "800MiB"}]


def test_the_settings_know_every_container_that_has_a_size() -> None:
    assert set(get_args(Container)) == set(SIZES)


def test_every_container_is_of_one_part_and_every_part_has_some() -> None:
    assert sorted(one for containers in CONTAINERS.values() for one in containers) == sorted(SIZES)
    assert set(CONTAINERS) == set(get_args(PartName))


def test_all_of_the_platform_fits_on_two_cores_in_the_small_profile() -> None:
    parts = sum(
        sizes[Profile.SMALL].cpu_milli * (2 if container in _TWICE else 1)
        for container, sizes in SIZES.items()
        if container not in OPTIONAL
    )
    services = sum(one.size.cpu_milli * one.autoscaling.min_replicas for one in resolve(ServicesSettings()))
    assert parts + services + K3S_MILLI <= SMALL_MILLI


def test_a_small_node_of_four_gibibytes_carries_all_parts_and_the_services_need_what_the_document_says() -> (
    None
):
    def requested(*without: str) -> int:
        # What an init container or a job asks for is below what its pod asks for.
        return sum(
            sizes[Profile.SMALL].memory_mib * (2 if container in _TWICE else 1)
            for container, sizes in SIZES.items()
            if container not in (*OPTIONAL, "argocd-once", *without)
        )

    parts = [requested("grafana", "grafana-sidecar") + K3S_MIB, requested() + K3S_MIB]
    assert max(parts) <= 4096
    resolved = resolve(ServicesSettings())
    services = sum(one.size.memory_mib * one.autoscaling.min_replicas for one in resolved)
    rows = re.findall(r"\| (\d+) MiB \| (\d+) MiB \|\n", DOCUMENT.read_text(encoding="utf-8"))
    assert [[int(one) for one in row] for row in rows] == [parts, [one + services for one in parts]]


def test_on_the_standard_machine_half_of_sixteen_gibibytes_is_left_with_every_part_installed() -> None:
    assert sum(sizes[Profile.STANDARD].memory_mib for sizes in SIZES.values()) < 8192


def test_monitoring_looks_at_the_monitors_and_rules_of_every_release() -> None:
    spec = values_of(Profile.SMALL)["monitoring"]["prometheus"]["prometheusSpec"]
    assert {key for key, value in spec.items() if key.endswith("NilUsesHelmValues") and value is False} == {
        "ruleSelectorNilUsesHelmValues",
        "serviceMonitorSelectorNilUsesHelmValues",
        "podMonitorSelectorNilUsesHelmValues",
        "probeSelectorNilUsesHelmValues",
        "scrapeConfigSelectorNilUsesHelmValues",
    }


def test_what_rules_and_dashboards_ask_for_is_kept_and_what_k3s_offers_twice_is_not() -> None:
    values = values_of(Profile.SMALL)["monitoring"]
    ((kubelet,), (server, fine)) = (
        values[part]["serviceMonitor"]["metricRelabelings"] for part in ("kubelet", "kubeApiServer")
    )
    assert (kubelet["action"], server["action"]) == ("keep", "drop")
    for name in ("kubelet_running_pods", "kubelet_volume_stats_used_bytes", "process_cpu_seconds_total"):
        assert re.fullmatch(kubelet["regex"], name)
    assert not re.fullmatch(kubelet["regex"], "apiserver_request_total")
    for name in ("apiserver_request_sli_duration_seconds_bucket", "apiserver_request_total"):
        assert not re.fullmatch(server["regex"], name)
    for bound, dropped in (("0.1", False), ("0.5", False), ("1.0", False), ("5", False), ("0.15", True)):
        found = re.fullmatch(fine["regex"], f"apiserver_request_sli_duration_seconds_bucket;{bound}")
        assert bool(found) is dropped
    for name in ("etcd_request_duration_seconds_bucket", "apiserver_watch_events_sizes_bucket"):
        assert re.fullmatch(server["regex"], name)


def test_keda_reads_secrets_of_its_own_namespace_only() -> None:
    values = values_of(Profile.SMALL)["keda"]
    assert values["permissions"]["operator"]["restrict"]["secret"] is True
    # Else it may `get` everything: keda/templates/manager/clusterrole.yaml of kedacore/charts v2.17.2.
    assert values["rbac"]["enabledCustomScaledRefKinds"] is False


def test_what_counts_objects_reads_no_secrets() -> None:
    counted = values_of(Profile.SMALL)["monitoring"]["kube-state-metrics"]["collectors"]
    assert {"deployments", "nodes", "pods", "persistentvolumeclaims"} <= set(counted)
    assert "secrets" not in counted


@pytest.mark.parametrize(
    ("settings", "profile", "size", "kept"),
    [
        ({}, Profile.SMALL, "2Gi", "1638MB"),
        ({}, Profile.STANDARD, "20Gi", "16384MB"),
        ({"storage": "500Mi"}, Profile.SMALL, "500Mi", "400MB"),
    ],
)
def test_prometheus_drops_its_oldest_data_before_its_volume_is_full(
    settings: dict[str, str], profile: Profile, size: str, kept: str
) -> None:
    chosen = PlatformSettings.model_validate({"monitoring": settings})
    spec = values_of(profile, chosen)["monitoring"]["prometheus"]["prometheusSpec"]
    claim = spec["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert claim["resources"]["requests"]["storage"] == size
    assert spec["retentionSize"] == kept


def test_grafana_looks_for_dashboards_and_data_sources_in_configmaps_alone() -> None:
    sidecar = values_of(Profile.SMALL)["monitoring"]["grafana"]["sidecar"]
    assert {sidecar[one]["resource"] for one in ("dashboards", "datasources")} == {"configmap"}


def test_silences_and_what_is_made_in_grafana_cannot_fill_their_volumes() -> None:
    values = values_of(Profile.SMALL)["monitoring"]
    given = values["alertmanager"]["alertmanagerSpec"]["additionalArgs"]
    limits = {one["name"]: int(one["value"]) for one in given}
    # Expired ones included, which are kept for the retention; the file is written beside the old one.
    most = limits["silences.max-silences"] * limits["silences.max-silence-size-bytes"]
    assert 2 * most < 2**30
    ini = values["grafana"]["grafana.ini"]
    assert ini["quota"]["enabled"] is True
    assert ini["quota"]["org_dashboard"] == 500
    kept = {ini[f"annotations.{kind}"]["max_annotations_to_keep"] for kind in ("dashboard", "api")}
    assert kept == {10000}


def test_what_is_made_in_grafana_outlives_its_pod_and_never_has_two_writers() -> None:
    chosen = PlatformSettings.model_validate({"monitoring": {"grafanaStorage": "3Gi"}})
    grafana = values_of(Profile.SMALL, chosen)["monitoring"]["grafana"]
    assert grafana["persistence"] == {"enabled": True, "size": "3Gi"}
    assert grafana["deploymentStrategy"] == {"type": "Recreate"}


def test_argo_cd_is_the_four_roles_that_are_used_and_speaks_http_inside_the_cluster() -> None:
    values = values_of(Profile.SMALL)["argo-cd"]
    assert values["fullnameOverride"] == "argocd"
    assert values["configs"]["params"]["server.insecure"] is True
    assert values["dex"] == values["notifications"] == {"enabled": False}
    assert values["applicationSet"]["replicas"] == 0


def test_no_image_is_asked_of_its_registry_at_every_start() -> None:
    assert "Always" not in str(values_of(Profile.SMALL))


def test_what_the_settings_say_wins_and_the_rest_stays() -> None:
    given = {"keda": {"values": {"image": {"pullPolicy": "Always"}, "extraArgs": {"keda": {"a": "b"}}}}}
    values = values_of(Profile.SMALL, PlatformSettings.model_validate(given))["keda"]
    assert values["image"]["pullPolicy"] == "Always"
    assert values["extraArgs"] == {"keda": {"a": "b"}}
    assert values["resources"]["operator"]["requests"]["cpu"] == "20m"


def test_merging_replaces_lists_and_changes_neither_side() -> None:
    ours, over = {"a": {"b": 1, "c": [1]}, "d": 1}, {"a": {"c": [2]}, "d": {"e": 1}}
    assert merged(ours, over) == {"a": {"b": 1, "c": [2]}, "d": {"e": 1}}
    assert ours == {"a": {"b": 1, "c": [1]}, "d": 1}
    assert over == {"a": {"c": [2]}, "d": {"e": 1}}
