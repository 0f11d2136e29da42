"""What the objects of a service say."""

import dataclasses
from typing import Any

import pytest

from a1platform.delivery.manifest import Manifest, identity
from a1platform.services.builders import service_objects
from a1platform.services.builders.autoscaling import autoscaler
from a1platform.services.builders.workload import deployment
from a1platform.services.catalog import CATALOG
from a1platform.services.model import Capabilities, McpServiceArgs, Rule
from a1platform.services.resolve import resolve
from a1platform.services.shared import shared_objects
from a1platform.settings.services import ServicesSettings

SERVICES = resolve(ServicesSettings())
EVERY = pytest.mark.parametrize("service", SERVICES, ids=[one.entry.name for one in SERVICES])


def _one(service: McpServiceArgs, kind: str) -> Manifest:
    (found,) = [one for one in service_objects(service) if one["kind"] == kind]
    return found


def _pod(service: McpServiceArgs) -> dict[str, Any]:
    spec: dict[str, Any] = deployment(service)["spec"]["template"]["spec"]
    return spec


@EVERY
@pytest.mark.parametrize("keda", [True, False])
def test_a_workload_has_one_autoscaler_and_never_two(service: McpServiceArgs, keda: bool) -> None:  # noqa: FBT001
    (args,) = [
        one
        for one in resolve(ServicesSettings(), Capabilities(keda=keda))
        if one.entry.name == service.entry.name
    ]
    kinds = [one["kind"] for one in service_objects(args)]
    assert kinds.count("HorizontalPodAutoscaler") + kinds.count("ScaledObject") == 1
    assert ("ScaledObject" in kinds) == (keda and args.entry.trigger is not None)


@EVERY
def test_the_number_of_replicas_is_left_to_the_autoscaler(service: McpServiceArgs) -> None:
    assert "replicas" not in deployment(service)["spec"]


def test_the_gateway_scales_on_cpu_memory_and_its_requests_in_flight_between_2_and_10() -> None:
    spec = autoscaler(SERVICES[0])["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 10)
    triggers = {one["type"]: one["metadata"] for one in spec["triggers"]}
    assert triggers["cpu"] == {"value": "70"}
    assert triggers["memory"] == {"value": "80"}
    assert triggers["prometheus"] == {
        "serverAddress": "http://prometheus.prometheus.svc:9090",
        "query": 'sum(avg_over_time(mcp_inflight_requests{role="mcp-gateway"}[1m]))',
        "threshold": "8",
    }


def test_without_prometheus_keda_is_not_told_to_ask_it() -> None:
    spec = autoscaler(resolve(ServicesSettings(), Capabilities(monitoring=False))[0])["spec"]
    assert [one["type"] for one in spec["triggers"]] == ["cpu", "memory"]
    # KEDA refuses a fallback where there is no other metric.
    assert "fallback" not in spec


def test_without_keda_the_same_targets_stand_in_a_plain_autoscaler() -> None:
    spec = autoscaler(resolve(ServicesSettings(), Capabilities(keda=False))[0])["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    targets = {
        one["resource"]["name"]: one["resource"]["target"]["averageUtilization"] for one in spec["metrics"]
    }
    assert targets == {"cpu": 70, "memory": 80}
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300


@EVERY
@pytest.mark.parametrize("offered", [Capabilities(), Capabilities(keda=False)], ids=["KEDA", "without"])
def test_how_fast_pods_come_and_go_is_said_and_not_left_to_defaults(
    service: McpServiceArgs, offered: Capabilities
) -> None:
    args = dataclasses.replace(service, capabilities=offered)
    spec = autoscaler(args)["spec"]
    behavior = spec.get("behavior") or spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    out, back = behavior["scaleUp"], behavior["scaleDown"]
    # Out at once, for a missing pod costs latency; and by at most a doubling, for a start costs CPU.
    assert (out["stabilizationWindowSeconds"], back["stabilizationWindowSeconds"]) == (0, 300)
    assert [(one["type"], one["value"], one["periodSeconds"]) for one in out["policies"]] == [
        ("Percent", 100, 30),
        ("Pods", 2, 30),
    ]
    assert [(one["type"], one["value"], one["periodSeconds"]) for one in back["policies"]] == [
        ("Pods", 1, 60)
    ]


@EVERY
def test_a_disruption_budget_lets_one_pod_go_and_never_the_last_of_two(service: McpServiceArgs) -> None:
    spec = _one(service, "PodDisruptionBudget")["spec"]
    assert spec["maxUnavailable"] == 1
    assert "minAvailable" not in spec
    assert service.autoscaling.min_replicas - spec["maxUnavailable"] >= 1
    selected = deployment(service)["spec"]["template"]["metadata"]["labels"].items()
    assert selected >= spec["selector"]["matchLabels"].items()


@EVERY
def test_a_pod_runs_without_any_right_that_it_does_not_need(service: McpServiceArgs) -> None:
    pod = _pod(service)
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


@EVERY
def test_a_rolling_update_never_has_fewer_pods_and_ends_them_after_their_drain(
    service: McpServiceArgs,
) -> None:
    spec = deployment(service)["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    (container,) = _pod(service)["containers"]
    pre_stop = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain, longest_work = 5, 20  # defaults of DRAIN_SECONDS and SHUTDOWN_SECONDS
    assert pre_stop + drain + longest_work < _pod(service)["terminationGracePeriodSeconds"]


@EVERY
def test_the_pods_of_a_version_are_spread_over_nodes_and_none_waits_for_a_second_node(
    service: McpServiceArgs,
) -> None:
    (constraint,) = _pod(service)["topologySpreadConstraints"]
    assert (constraint["topologyKey"], constraint["maxSkew"]) == ("kubernetes.io/hostname", 1)
    assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
    assert constraint["labelSelector"] == _one(service, "Deployment")["spec"]["selector"]
    assert constraint["matchLabelKeys"] == ["pod-template-hash"]


@EVERY
@pytest.mark.parametrize("tracing", [True, False])
def test_every_service_sends_its_spans_to_tracehub_and_that_one_alone_to_jaeger(
    service: McpServiceArgs,
    tracing: bool,  # noqa: FBT001
) -> None:
    name = service.entry.name
    (again,) = [
        one for one in resolve(ServicesSettings(), Capabilities(tracing=tracing)) if one.entry.name == name
    ]
    (container,) = _pod(again)["containers"]
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert variables["TRACES_URL"] == "http://mcp-tracehub:8080"
    jaeger = tracing and name == "mcp-tracehub"
    assert variables.get("JAEGER_OTLP_URL") == ("http://jaeger.tracing.svc:4318" if jaeger else None)


@EVERY
def test_probes_ask_for_life_and_readiness_on_the_operations_port(service: McpServiceArgs) -> None:
    (container,) = _pod(service)["containers"]
    paths = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {kind: one["path"] for kind, one in paths.items()} == {
        "startupProbe": "/health",
        "livenessProbe": "/health",
        "readinessProbe": "/ready",
    }
    assert {one["port"] for one in paths.values()} == {"operations"}


@EVERY
def test_every_mount_has_its_volume_and_every_volume_its_mount(service: McpServiceArgs) -> None:
    pod = _pod(service)
    (container,) = pod["containers"]
    assert [one["name"] for one in container["volumeMounts"]] == [one["name"] for one in pod["volumes"]]
    assert not [one for one in container["volumeMounts"] if "subPath" in one]


@EVERY
def test_a_pod_mounts_exactly_the_secret_keys_that_its_external_secret_fetches(
    service: McpServiceArgs,
) -> None:
    mounted = {
        (one["secret"]["secretName"], item["key"])
        for one in _pod(service)["volumes"]
        if "secret" in one
        for item in one["secret"]["items"]
    }
    fetched = {
        (one["spec"]["target"]["name"], datum["secretKey"])
        for one in service_objects(service)
        if one["kind"] == "ExternalSecret"
        for datum in one["spec"]["data"]
    }
    assert mounted == fetched
    assert bool(fetched) == bool(service.entry.secrets)


def test_secrets_come_from_the_cluster_store_and_are_looked_at_every_15_minutes() -> None:
    spec = _one(SERVICES[0], "ExternalSecret")["spec"]
    assert spec["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "a1-cluster-store"}
    assert spec["refreshInterval"] == "15m"


def test_a_private_registry_is_opened_by_a_secret_of_the_store_that_every_account_names() -> None:
    name = "mcp-registry"
    settings = ServicesSettings(pull_secret=name)
    services = resolve(settings)
    (fetched,) = [one for one in shared_objects(services) if one["kind"] == "ExternalSecret"]
    assert fetched["spec"]["target"]["name"] == name
    assert fetched["spec"]["target"]["template"]["type"] == "kubernetes.io/dockerconfigjson"
    (datum,) = fetched["spec"]["data"]
    assert (datum["secretKey"], datum["remoteRef"]["key"]) == (".dockerconfigjson", name)
    accounts = [_one(service, "ServiceAccount") for service in services]
    assert all(one["imagePullSecrets"] == [{"name": name}] for one in accounts)


def test_without_a_private_registry_no_account_names_a_secret() -> None:
    assert not [one for one in SERVICES if "imagePullSecrets" in _one(one, "ServiceAccount")]


def test_permissions_and_a_token_exist_only_where_they_are_declared() -> None:
    rule = Rule(("",), ("configmaps",), ("get",))
    entry = CATALOG[0].__class__(name="mcp-reader", role="reader", sizes=CATALOG[0].sizes, rules=(rule,))
    reader = resolve(ServicesSettings(), catalog=(entry,))[0]
    assert _one(reader, "Role")["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    ]
    assert _one(reader, "ServiceAccount")["automountServiceAccountToken"] is False
    assert _pod(reader)["automountServiceAccountToken"] is True
    assert not [one for one in service_objects(SERVICES[0]) if one["kind"] in {"Role", "RoleBinding"}]


@EVERY
def test_prometheus_meets_each_pod_once(service: McpServiceArgs) -> None:
    wanted = _one(service, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
    services = [one for one in service_objects(service) if one["kind"] == "Service"]
    assert len([one for one in services if wanted <= one["metadata"]["labels"].items()]) == 1


def test_without_the_prometheus_operator_none_of_its_kinds_is_declared() -> None:
    services = resolve(ServicesSettings(), Capabilities(monitoring=False))
    objects = [*shared_objects(services), *(one for service in services for one in service_objects(service))]
    assert not [one for one in objects if one["apiVersion"].startswith("monitoring.coreos.com")]


def test_no_two_objects_have_the_same_name_and_kind() -> None:
    objects = [*shared_objects(SERVICES), *(one for service in SERVICES for one in service_objects(service))]
    names = [identity(one) for one in objects]
    assert len(names) == len(set(names))
    assert {one["metadata"]["namespace"] for one in objects} == {"a1-orchestrator"}


@EVERY
def test_each_service_of_the_platform_has_all_that_a_service_has(service: McpServiceArgs) -> None:
    kinds = {one["kind"] for one in service_objects(service)}
    wanted = {"Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget", "ServiceMonitor"}
    if not service.entry.example:
        wanted.add("ExternalSecret")
    assert wanted <= kinds
    assert kinds & {"HorizontalPodAutoscaler", "ScaledObject"}


def _environment(service: McpServiceArgs) -> dict[str, str]:
    return {one["name"]: one["value"] for one in _pod(service)["containers"][0]["env"]}


def _named(name: str, settings: dict[str, Any]) -> McpServiceArgs:
    (found,) = [one for one in resolve(ServicesSettings.model_validate(settings)) if one.entry.name == name]
    return found


def test_the_gateway_is_told_whose_tokens_it_takes() -> None:
    auth = {"issuer": "https://id.example.org", "jwksUrl": "https://id.example.org/certs", "audience": "a1"}
    way = {"mcp-gateway": {"egress": [{"cidr": "192.0.2.7", "ports": [443]}]}}
    told = _environment(_named("mcp-gateway", {"auth": auth, "overrides": way}))
    assert {name: told[name] for name in ("ISSUER", "JWKS_URL", "AUDIENCE")} == {
        "ISSUER": "https://id.example.org",
        "JWKS_URL": "https://id.example.org/certs",
        "AUDIENCE": "a1",
    }
    assert {"ISSUER", "JWKS_URL", "AUDIENCE"}.isdisjoint(_environment(SERVICES[0]))


def test_a_claim_of_the_site_is_mounted_by_the_orchestrator_alone_and_keeps_the_runs() -> None:
    settings = {"runs": {"claim": "mcp-runs", "keepSeconds": 3600}}
    orchestrator = _named("mcp-orchestrator-api", settings)
    pod, told = _pod(orchestrator), _environment(orchestrator)
    assert {"name": "runs", "persistentVolumeClaim": {"claimName": "mcp-runs"}} in pod["volumes"]
    mounts = {one["name"]: one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
    assert (told["RUNS_DIR"], told["RUNS_KEEP_SECONDS"]) == (mounts["runs"], "3600")
    assert deployment(_named("mcp-gateway", settings)) == deployment(SERVICES[0])
    assert "RUNS_DIR" not in _environment(_named("mcp-orchestrator-api", {}))
