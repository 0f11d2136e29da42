"""What the bundle holds fits together: the charts take the components' values and find their images in it."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from a1platform.bundle import Bundle, load
from a1platform.platform.sizes import PRIORITY
from a1platform.services.resolve import resolve
from a1platform.settings.services import ServicesSettings
from a1platform.versions import PULUMI, PULUMI_KUBERNETES
from sandbox.bundle import chosen, make_bundle
from sandbox.bundle_plugins import add_plugins
from sandbox.cache import Cache
from sandbox.chart_images import containers, images, pods
from sandbox.chart_images import rendered as render
from sandbox.prepare import left_for_later, require_fit
from sandbox.progress import to_terminal
from sandbox.toolchain import Releases, ensure

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def bundle(cache: Cache) -> Bundle:
    require_fit(cache)
    if later := left_for_later(cache):
        pytest.skip(f"{', '.join(later)}: not made within the time for builds; the next `make test` goes on")
    found = load(make_bundle(cache, to_terminal))
    found.verify()
    return found


@pytest.fixture(scope="module")
def rendered(bundle: Bundle) -> dict[str, list[dict[str, Any]]]:
    charts = {part.name: bundle.part(part.name).chart for part in chosen(None) if part.chart}
    return {
        part: render(Cache.default(), to_terminal, part, chart.path)
        for part, chart in charts.items()
        if chart
    }


def test_every_image_that_a_chart_names_is_in_the_bundle(
    bundle: Bundle, rendered: dict[str, list[dict[str, Any]]]
) -> None:
    held = {name for part in bundle.parts.values() for image in part.images for name in image.references}
    for part, objects in rendered.items():
        assert images(objects) <= held, part


def test_no_part_gives_way_to_a_service_that_scales_out(rendered: dict[str, list[dict[str, Any]]]) -> None:
    for objects in rendered.values():
        specs = dict(pods(objects)) | {
            f"{one['kind']}/{one['metadata']['name']}": one["spec"]
            for one in objects
            if one["kind"] in {"Prometheus", "Alertmanager"}
        }
        for name, spec in specs.items():
            assert spec.get("priorityClassName") == PRIORITY, name


def test_no_pod_asks_a_registry_at_every_start(rendered: dict[str, list[dict[str, Any]]]) -> None:
    for objects in rendered.values():
        for name, pod in pods(objects):
            for container in containers(pod):
                assert container["imagePullPolicy"] == "IfNotPresent", name


def test_every_container_keeps_to_the_restricted_level_but_the_node_exporter(
    rendered: dict[str, list[dict[str, Any]]],
) -> None:
    for objects in rendered.values():
        for name, pod in pods(objects):
            whole = pod.get("securityContext") or {}
            for container in containers(pod):
                own = {**whole, **container["securityContext"]}
                assert own["runAsNonRoot"] is True, name
                assert own["seccompProfile"] == {"type": "RuntimeDefault"}, name
                assert own["allowPrivilegeEscalation"] is False, name
                assert own["capabilities"]["drop"] == ["ALL"], name
            if "node-exporter" not in name:
                assert not pod.get("hostNetwork"), name


def test_all_parts_together_ask_for_little_cpu(rendered: dict[str, list[dict[str, Any]]]) -> None:
    total = 0
    for objects in rendered.values():
        for one in objects:
            if one["kind"] in {"Prometheus", "Alertmanager"}:
                total += _milli(one["spec"]["resources"])
            elif one["kind"] in {"Deployment", "StatefulSet", "DaemonSet"}:
                containers = one["spec"]["template"]["spec"]["containers"]
                copies = one["spec"].get("replicas", 1)
                total += copies * sum(_milli(container["resources"]) for container in containers)
    services = sum(one.size.cpu_milli * one.autoscaling.min_replicas for one in resolve(ServicesSettings()))
    # 1.6 cores in all, of which K3s's own pods ask for 200m.
    assert total + services + 200 <= 1600


def _milli(resources: dict[str, Any]) -> int:
    cpu = str(resources["requests"]["cpu"])
    return int(cpu[:-1]) if cpu.endswith("m") else int(float(cpu) * 1000)


@pytest.mark.parametrize(
    ("part", "kind", "name", "port"),
    [
        ("argo-cd", "Service", "argocd-server", 80),
        ("argo-cd", "Service", "argocd-server", 443),
        ("argo-cd", "Service", "argocd-repo-server", 8081),
        ("monitoring", "Service", "kps-prometheus", 9090),
        ("monitoring", "Service", "kps-alertmanager", 9093),
        ("gatekeeper", "Service", "gatekeeper-webhook-service", 443),
        ("external-secrets", "Service", "external-secrets-webhook", 443),
        ("keda", "Service", "keda-operator", 8080),
    ],
)
def test_services_have_the_names_and_ports_of_upstreams_charts(
    rendered: dict[str, list[dict[str, Any]]], part: str, kind: str, name: str, port: int
) -> None:
    found = [one for one in rendered[part] if one["kind"] == kind and one["metadata"]["name"] == name]
    assert len(found) == 1
    assert port in {entry["port"] for entry in found[0]["spec"]["ports"]}


def test_a_webhook_that_is_down_refuses_namespaces_and_secrets_of_stores_and_nothing_else(
    rendered: dict[str, list[dict[str, Any]]],
) -> None:
    closed = {
        (part, resource)
        for part, objects in rendered.items()
        for one in objects
        if one["kind"] in {"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"}
        for webhook in one["webhooks"]
        # What says nothing refuses.
        if webhook.get("failurePolicy", "Fail") == "Fail"
        for rule in webhook["rules"]
        for resource in rule["resources"]
    }
    assert closed == {
        ("gatekeeper", "namespaces"),
        ("external-secrets", "secretstores"),
        ("external-secrets", "clustersecretstores"),
        ("external-secrets", "externalsecrets"),
    }


def test_the_monitoring_kinds_are_apart_from_the_stack(rendered: dict[str, list[dict[str, Any]]]) -> None:
    assert {one["kind"] for one in rendered["monitoring-crds"]} == {"CustomResourceDefinition"}
    assert not [one for one in rendered["monitoring"] if one["kind"] == "CustomResourceDefinition"]
    assert {one["spec"]["names"]["kind"] for one in rendered["monitoring-crds"]} >= {
        "Prometheus",
        "Alertmanager",
        "ServiceMonitor",
        "PodMonitor",
        "PrometheusRule",
    }


def test_pulumi_runs_from_the_bundle_on_a_machine_that_has_none(
    bundle: Bundle, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ensure(cache, to_terminal)
    add_plugins(bundle.folder, here)
    load(bundle.folder).verify(thorough=True)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "nobody"))
    site = Cache(tmp_path / "site")
    for part in here.parts:
        # In no bundle: it takes what is there on this machine.
        if part.stand_in:
            shutil.copytree(part.folder, site.root / part.folder.relative_to(cache.root))
    there = ensure(site, to_terminal, Releases("http://127.0.0.1:1"), bundle=load(bundle.folder))
    bundled = [part for part in there.parts if not part.stand_in]
    assert all(part.origin.startswith("from the bundle") for part in bundled)
    environment = there.environment(tmp_path / "state")

    def pulumi(*arguments: str) -> str:
        command = [str(there.pulumi), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    assert pulumi("version").strip() == f"v{PULUMI}"
    plugins = {one["name"]: one["version"] for one in json.loads(pulumi("plugin", "ls", "--json"))}
    assert plugins["kubernetes"] == PULUMI_KUBERNETES
