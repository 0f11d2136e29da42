"""The component `Platform` against the recording engine: what is declared, in which order, and how."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from a1platform.bundle import Bundle, load
from a1platform.platform.chart import OFFICIAL
from a1platform.platform.component import Platform, PlatformArgs
from a1platform.services.credentials import Credentials
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.policies import PolicySettings
from tests.components.conftest import Declared

Declare = Callable[..., dict[str, Declared]]
RELEASE = "kubernetes:helm.sh/v3:Release"
NAMESPACE = "kubernetes:core/v1:Namespace"
PARTS = ("gatekeeper", "external-secrets", "keda", "argo-cd", "monitoring")
RELEASES = {
    "platform-gatekeeper-release": ("gatekeeper", "gatekeeper-system"),
    "platform-external-secrets-release": ("external-secrets", "external-secrets"),
    "platform-keda-release": ("keda", "keda"),
    "platform-argo-cd-release": ("argocd", "argocd"),
    "platform-monitoring-crds": ("monitoring-crds", "prometheus"),
    "platform-monitoring-release": ("kps", "prometheus"),
}


def _bundle(folder: Path, *names: str, **left_out: str) -> Bundle:
    charts = {name: {"path": f"charts/{name}", "version": "9.9.9", "sha256": "0" * 64} for name in names}
    parts = {name: {"origin": "upstream manifests", "chart": chart} for name, chart in charts.items()}
    (folder / "bundle.json").write_text(json.dumps({"schema": 1, "parts": parts, "leftOut": left_out}))
    return load(folder)


def _program(args: PlatformArgs) -> Callable[[], pulumi.Output[Any]]:
    def program() -> pulumi.Output[Any]:
        installed = pulumi.CustomResource("test:index:Install", "k3s", {})
        provider = pulumi.ProviderResource("kubernetes", "cluster", {})
        options = pulumi.ResourceOptions(provider=provider, deleted_with=installed)
        return Platform("platform", args, options).parts

    return program


def _settings(**values: object) -> PlatformSettings:
    return PlatformSettings.model_validate(values)


@pytest.fixture(scope="module")
def online(declare: Declare) -> dict[str, Declared]:
    return declare(_program(PlatformArgs()))


@pytest.fixture(scope="module")
def closed(declare: Declare, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Declared]:
    folder = tmp_path_factory.mktemp("bundle")
    whole = _bundle(folder, *PARTS, "monitoring-crds", grafana="on no package registry")
    return declare(_program(PlatformArgs(bundle=whole)))


def _of(declared: dict[str, Declared], kind: str) -> dict[str, Declared]:
    return {name: one for name, one in declared.items() if one.type == kind}


def _before(declared: dict[str, Declared], name: str) -> set[str]:
    """Return everything that has to be there before a resource is begun."""
    found: set[str] = set()
    waiting = list(declared[name].after)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += declared[one].after
    return found


def test_every_part_is_one_release_under_the_name_that_others_know(online: dict[str, Declared]) -> None:
    found = _of(online, RELEASE)
    assert {name: (one.inputs["name"], one.inputs["namespace"]) for name, one in found.items()} == RELEASES


def test_each_release_is_at_its_pin_from_its_official_place(online: dict[str, Declared]) -> None:
    found = {(one.inputs["chart"], one.inputs["version"]) for one in _of(online, RELEASE).values()}
    assert found == {(chart.source, chart.version) for chart in OFFICIAL.values()}
    assert all(
        one.inputs["repositoryOpts"]["repo"].startswith("https://") for one in _of(online, RELEASE).values()
    )


def test_a_release_is_awaited_for_a_limited_time_and_taken_back_when_it_fails(
    online: dict[str, Declared],
) -> None:
    for one in _of(online, RELEASE).values():
        assert one.inputs["atomic"] is True
        assert one.inputs["skipAwait"] is False
        assert 0 < one.inputs["timeout"] <= 900
        assert one.inputs["createNamespace"] is False


def test_every_namespace_is_there_before_any_release(online: dict[str, Declared]) -> None:
    namespaces = set(_of(online, NAMESPACE))
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
        assert namespaces <= _before(online, name)


def test_no_namespace_hands_tokens_of_its_default_account_to_every_pod(online: dict[str, Declared]) -> None:
    spaces = {one.inputs["metadata"]["name"] for one in _of(online, NAMESPACE).values()}
    accounts = [online[f"{space}-default-account"] for space in spaces]
    assert {one.inputs["metadata"]["namespace"] for one in accounts} == spaces
    assert not any(one.inputs["automountServiceAccountToken"] for one in accounts)


def test_pods_are_restricted_everywhere_but_where_the_node_exporter_needs_the_host(
    online: dict[str, Declared],
) -> None:
    for one in _of(online, NAMESPACE).values():
        metadata = one.inputs["metadata"]
        level = "privileged" if metadata["name"] == "node-exporter" else "restricted"
        assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == level


def test_gatekeeper_leaves_the_systems_namespaces_alone_and_no_other(online: dict[str, Declared]) -> None:
    labelled = {
        one.inputs["metadata"]["name"]
        for one in _of(online, NAMESPACE).values()
        if "admission.gatekeeper.sh/ignore" in one.inputs["metadata"]["labels"]
    }
    values = online["platform-gatekeeper-release"].inputs["values"]
    exempt = set(values["controllerManager"]["exemptNamespaces"])
    assert labelled <= exempt
    assert not exempt & {"a1-orchestrator", "a1-secrets"}
    assert "kube-system" in exempt


@pytest.mark.parametrize("part", ["keda", "argo-cd", "external-secrets", "monitoring"])
def test_the_monitoring_kinds_are_there_before_a_chart_looks_for_them(
    online: dict[str, Declared], part: str
) -> None:
    assert "platform-monitoring-crds" in online[f"platform-{part}-release"].after


def test_no_part_waits_for_the_pods_of_another(online: dict[str, Declared]) -> None:
    for name in RELEASES:
        assert _before(online, name) & set(RELEASES) <= {"platform-monitoring-crds"}


def test_the_namespaces_of_the_parts_deny_all_other_traffic_where_the_settings_say_so(
    online: dict[str, Declared], declare: Declare
) -> None:
    kind = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
    assert not _of(online, kind)
    declared = declare(_program(PlatformArgs(_settings(networkPolicies=True))))
    spaces = {one.inputs["metadata"]["name"] for one in _of(declared, NAMESPACE).values()}
    for one in _of(declared, kind).values():
        assert f"{one.inputs['metadata']['namespace']}-namespace" in one.after
    found = {one.inputs["metadata"]["namespace"] for one in _of(declared, kind).values()}
    assert found == spaces - {"a1-orchestrator"}


def test_policies_come_when_gatekeeper_answers(online: dict[str, Declared]) -> None:
    policies = [name for name in online if name.startswith("platform-policies-")]
    assert policies
    assert all("platform-gatekeeper-release" in _before(online, name) for name in policies)


def test_the_secret_store_comes_when_its_webhook_answers_and_its_account_is_there(
    online: dict[str, Declared],
) -> None:
    before = _before(online, "a1-cluster-store-clustersecretstore")
    assert {
        "platform-external-secrets-release",
        "a1-store-reader-serviceaccount",
        "a1-store-reader-role",
        "a1-store-reader-rolebinding",
    } <= before
    annotations = online["a1-cluster-store-clustersecretstore"].inputs["metadata"]["annotations"]
    assert annotations["pulumi.com/waitFor"] == "condition=Ready"


def test_the_store_reads_secrets_of_one_namespace_as_an_account_that_can_do_nothing_else(
    online: dict[str, Declared],
) -> None:
    provider = online["a1-cluster-store-clustersecretstore"].inputs["spec"]["provider"]["kubernetes"]
    assert provider["remoteNamespace"] == "a1-secrets"
    assert provider["auth"]["serviceAccount"] == {"name": "a1-store-reader", "namespace": "a1-secrets"}
    (rule,) = online["a1-store-reader-role"].inputs["rules"]
    assert (rule["resources"], set(rule["verbs"])) == (["secrets"], {"get", "list", "watch"})


def test_prometheus_is_reached_under_its_plain_name(online: dict[str, Declared]) -> None:
    service = online["prometheus-service"].inputs
    assert service["metadata"]["namespace"] == "prometheus"
    assert [port["port"] for port in service["spec"]["ports"]] == [9090]
    assert service["spec"]["selector"]["operator.prometheus.io/name"] == "kps"


def test_everything_goes_with_the_cluster_and_through_its_provider(online: dict[str, Declared]) -> None:
    # The engine hands `deletedWith` down from a component to its children.
    assert online["platform"].deleted_with == "k3s"
    for one in online.values():
        if one.type.startswith("kubernetes:"):
            assert "::cluster::" in one.provider
            ancestor = one
            while ancestor.name != "platform":
                ancestor = online[ancestor.parent]


def test_from_a_bundle_nothing_is_downloaded(closed: dict[str, Declared]) -> None:
    found = _of(closed, RELEASE)
    assert len(found) == 6
    for one in found.values():
        assert re.fullmatch(r"[^/].*/charts/[a-z-]+", one.inputs["chart"])
        assert one.inputs["version"] == "9.9.9"
        assert "repositoryOpts" not in one.inputs


def test_hooks_whose_images_no_bundle_holds_are_off_in_a_closed_network(closed: dict[str, Declared]) -> None:
    values = closed["platform-gatekeeper-release"].inputs["values"]
    assert values["upgradeCRDs"] == {"enabled": False}
    assert values["postInstall"]["probeWebhook"] == {"enabled": False}
    assert values["postInstall"]["labelNamespace"] == {"enabled": False}
    assert closed["platform-monitoring-release"].inputs["values"]["grafana"] == {"enabled": False}


def test_a_part_that_the_bundle_lacks_is_not_declared_and_its_reason_is_told(
    declare: Declare, tmp_path: Path
) -> None:
    told: list[dict[str, str]] = []
    bundle = _bundle(tmp_path, "gatekeeper", "external-secrets", monitoring="build failed")

    def program() -> pulumi.Output[Any]:
        platform = Platform("platform", PlatformArgs(bundle=bundle))
        assert [platform.has_keda, platform.has_monitoring, platform.has_argo_cd] == [False] * 3
        assert platform.has_secrets
        return platform.parts.apply(told.append)

    declared = declare(program)
    assert set(_of(declared, RELEASE)) == {
        "platform-gatekeeper-release",
        "platform-external-secrets-release",
    }
    assert {one.inputs["metadata"]["name"] for one in _of(declared, NAMESPACE).values()} == {
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


def test_without_monitoring_nothing_of_its_kinds_is_declared(declare: Declare) -> None:
    declared = declare(_program(PlatformArgs(_settings(monitoring={"enabled": False}))))
    assert not [one for one in declared.values() if "monitoring.coreos.com" in one.type]
    keda = declared["platform-keda-release"].inputs["values"]["prometheus"]
    assert all(role["serviceMonitor"] == {"enabled": False} for role in keda.values())


def test_with_everything_switched_off_only_the_services_namespace_and_roles_are_left(
    declare: Declare,
) -> None:
    off = {"enabled": False}
    settings = _settings(gatekeeper=off, externalSecrets=off, keda=off, argoCd=off, monitoring=off)
    declared = declare(_program(PlatformArgs(settings)))
    assert {one.name for one in declared.values() if one.type.startswith("kubernetes:")} == {
        "a1-orchestrator-namespace",
        "a1-orchestrator-default-account",
        "a1-platform-engineer-clusterrole",
        "a1-platform-engineer-clusterrolebinding",
        "a1-service-developer-clusterrole",
        "a1-service-developer-rolebinding",
        "a1-read-only-clusterrole",
        "a1-read-only-clusterrolebinding",
    }


def test_a_role_is_bound_where_its_namespace_is_there(online: dict[str, Declared]) -> None:
    assert "a1-orchestrator-namespace" in online["a1-service-developer-rolebinding"].after


def test_what_policies_find_is_told_where_somebody_listens(declare: Declare) -> None:
    rule = "a1-policies-prometheusrule"
    assert rule in declare(_program(PlatformArgs()))
    assert rule not in declare(_program(PlatformArgs(_settings(monitoring={"enabled": False}))))


def test_policies_can_be_switched_off_alone(declare: Declare) -> None:
    declared = declare(_program(PlatformArgs(policies=PolicySettings(enabled=False))))
    assert "platform-gatekeeper-release" in declared
    assert not [name for name in declared if "polic" in name]


def test_generated_credentials_are_secret_wherever_they_are(declare: Declare) -> None:
    def program() -> pulumi.Output[Any]:
        credentials = Credentials("credentials")
        return Platform("platform", PlatformArgs(secrets=credentials.content)).parts

    declared = declare(program)
    for name in ("credentials-api-key", "credentials-internal-key", "platform-monitoring-grafana-password"):
        assert {"stdout", "stderr"} <= set(declared[name].secret_outputs)
        assert declared[name].inputs["logging"] == "none"
    for name in ("platform-external-secrets-mcp-auth", "platform-external-secrets-mcp-internal"):
        assert "stringData" in declared[name].secrets
        assert declared[name].inputs["metadata"]["namespace"] == "a1-secrets"
        assert name in declared["a1-cluster-store-clustersecretstore"].after
    assert "stringData" in declared["platform-monitoring-grafana"].secrets


def test_a_configured_secret_takes_the_place_of_a_generated_one(declare: Declare) -> None:
    settings = _settings(
        externalSecrets={"secrets": {"mcp-internal": {"key": "of-mine"}, "more": {"a": "b"}}}
    )
    args = PlatformArgs(settings, secrets={"mcp-internal": {"key": pulumi.Output.secret("generated")}})
    declared = declare(_program(args))
    internal = declared["platform-external-secrets-mcp-internal"]
    assert internal.inputs["stringData"] == {"key": "of-mine"}
    assert "stringData" in internal.secrets & declared["platform-external-secrets-more"].secrets


def test_with_a_store_of_the_sites_own_no_local_one_is_filled(declare: Declare) -> None:
    vault = {"vault": {"server": "https://vault.example.com", "path": "secret"}}
    settings = _settings(externalSecrets={"provider": vault})
    declared = declare(_program(PlatformArgs(settings, secrets={"mcp-internal": {"key": "x"}})))
    assert declared["a1-cluster-store-clustersecretstore"].inputs["spec"]["provider"] == vault
    assert not [name for name in declared if "mcp-internal" in name or "a1-store-reader" in name]


def test_a_webhooks_url_is_in_no_value_of_the_chart(declare: Declare) -> None:
    url = "https://hooks.example.com/T0/secret-part"
    declared = declare(_program(PlatformArgs(_settings(monitoring={"webhooks": {"first": url}}))))
    secret = declared["platform-monitoring-webhooks"]
    assert secret.inputs["stringData"] == {"first": url}
    assert "stringData" in secret.secrets
    assert "secret-part" not in str(declared["platform-monitoring-release"].inputs)
    assert "platform-monitoring-webhooks" in declared["platform-monitoring-release"].after


def test_a_mirror_takes_the_place_of_the_official_repository(declare: Declare) -> None:
    settings = _settings(keda={"repository": "https://charts.example.com"})
    declared = declare(_program(PlatformArgs(settings)))
    assert declared["platform-keda-release"].inputs["repositoryOpts"] == {
        "repo": "https://charts.example.com"
    }


def test_everything_waits_for_what_the_platform_itself_waits_for(declare: Declare) -> None:
    def program() -> pulumi.Output[Any]:
        images = pulumi.CustomResource("test:index:Images", "images", {})
        return Platform("platform", PlatformArgs(after=(images,))).parts

    declared = declare(program)
    assert all("images" in _before(declared, name) for name in (*RELEASES, "a1-orchestrator-namespace"))


def test_a_part_waits_for_its_own_images_and_for_no_others(declare: Declare) -> None:
    def program() -> pulumi.Output[Any]:
        images = {part: [pulumi.CustomResource("test:index:Images", f"images-{part}", {})] for part in PARTS}
        return Platform("platform", PlatformArgs(images=images)).parts

    declared = declare(program)
    for part in PARTS:
        before = _before(declared, f"platform-{part}-release")
        assert [name for name in before if name.startswith("images-")] == [f"images-{part}"]
    assert not [name for name in _before(declared, "platform-monitoring-crds") if name.startswith("images-")]


def test_a_preview_shows_every_release(declare: Declare) -> None:
    assert set(_of(declare(_program(PlatformArgs()), preview=True), RELEASE)) == set(RELEASES)
