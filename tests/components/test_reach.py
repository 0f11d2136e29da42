"""The network policies of the parts against what their charts bring: each opening is where it is needed."""

from collections.abc import Iterator, Sequence

import pytest

from a1platform.delivery.manifest import Manifest
from a1platform.platform.namespaces import NODE_EXPORTER, PROMETHEUS
from a1platform.platform.network import REACHES
from tests.charts import brought, bundle, declare, lacking

__all__ = ["brought", "bundle", "declare", "lacking"]

_MAKE_PODS = ("DaemonSet", "Deployment", "StatefulSet")


def _matches(selector: Manifest, labels: Manifest) -> bool:
    return bool(selector) and selector.items() <= labels.items()


def _pods(brought: Sequence[Manifest], namespace: str, selector: Manifest) -> list[Manifest]:
    """Return the pods of a namespace that a selector chooses."""
    templates = [
        one["spec"]["template"]
        for one in brought
        if one["kind"] in _MAKE_PODS and one["metadata"]["namespace"] == namespace
    ]
    return [one for one in templates if _matches(selector, one["metadata"]["labels"])]


def _port(pods: Sequence[Manifest], target: str | int) -> int:
    """Return the number of a port of pods."""
    if isinstance(target, int):
        return target
    found = {
        int(port["containerPort"])
        for pod in pods
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
        if port.get("name") == target
    }
    assert len(found) == 1, f"{target}: {found}"
    return found.pop()


def _served(brought: Sequence[Manifest]) -> Iterator[tuple[str, int]]:
    """Yield namespace and pods' port of each Service that the API server calls."""
    services = {
        (one["metadata"]["namespace"], one["metadata"]["name"]): one["spec"]
        for one in brought
        if one["kind"] == "Service"
    }
    called = [
        hook["clientConfig"]["service"]
        for one in brought
        if one["kind"].endswith("WebhookConfiguration")
        for hook in one["webhooks"]
    ]
    called += [one["spec"]["service"] for one in brought if one["kind"] == "APIService"]
    for one in called:
        spec = services[one["namespace"], one["name"]]
        (port,) = [each for each in spec["ports"] if each["port"] == one.get("port", 443)]
        pods = _pods(brought, one["namespace"], spec["selector"])
        yield one["namespace"], _port(pods, port.get("targetPort", port["port"]))


def _scraped(brought: Sequence[Manifest]) -> Iterator[tuple[str, int]]:
    """Yield namespace and pods' port of everything of the parts that Prometheus reads outside its own."""
    services = [one for one in brought if one["kind"] == "Service"]
    for one in brought:
        space = one["metadata"].get("namespace", "")
        chosen = one.get("spec", {}).get("selector", {})
        # Within a namespace all is open where anything is; what is on the host's network no policy reaches.
        if space in {PROMETHEUS, NODE_EXPORTER}:
            continue
        if one["kind"] == "PodMonitor":
            pods = _pods(brought, space, chosen["matchLabels"])
            yield from ((space, _port(pods, each["port"])) for each in one["spec"]["podMetricsEndpoints"])
        if one["kind"] != "ServiceMonitor" or "namespaceSelector" in one["spec"]:
            continue
        for service in services:
            metadata, spec = service["metadata"], service["spec"]
            if metadata["namespace"] != space or not _matches(chosen["matchLabels"], metadata["labels"]):
                continue
            names = {each["port"] for each in one["spec"]["endpoints"]}
            pods = _pods(brought, space, spec["selector"])
            for port in spec["ports"]:
                if port.get("name") in names:
                    yield space, _port(pods, port.get("targetPort", port["port"]))


def test_every_port_that_the_api_server_calls_is_open_and_no_other_is_open_to_everybody(
    brought: list[Manifest], lacking: dict[str, str]
) -> None:
    found = set(_served(brought))
    assert found or lacking
    namespaces = {namespace for namespace, _ in found}
    wanted = {(name, port) for name, reach in REACHES.items() for port in reach.webhooks}
    assert found == {one for one in wanted if one[0] in namespaces}


def test_every_port_that_prometheus_reads_in_another_namespace_is_open_to_it_and_no_other(
    brought: list[Manifest], lacking: dict[str, str]
) -> None:
    found = {one for one in _scraped(brought) if one[0] in REACHES}
    assert found or lacking
    namespaces = {namespace for namespace, _ in found}
    wanted = {(name, port) for name, reach in REACHES.items() for port in reach.scraped}
    assert found == {one for one in wanted if one[0] in namespaces}


@pytest.mark.parametrize("namespace", [name for name, reach in REACHES.items() if not reach.inside])
def test_no_pod_calls_another_one_where_that_is_closed(namespace: str, brought: list[Manifest]) -> None:
    """Ask whether an argument or a variable of a pod names a Service of its own namespace."""
    services = {
        one["metadata"]["name"]
        for one in brought
        if one["kind"] == "Service" and one["metadata"]["namespace"] == namespace
    }
    said = [
        word
        for one in brought
        if one["kind"] in _MAKE_PODS and one["metadata"]["namespace"] == namespace
        for container in one["spec"]["template"]["spec"]["containers"]
        for word in (*container.get("args", []), *(str(env.get("value")) for env in container.get("env", [])))
    ]
    assert [
        word for word in said if any(f"{name}:" in word or f"//{name}" in word for name in services)
    ] == []
