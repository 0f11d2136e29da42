"""A Helm release that fails, is rolled back, or is cut: nothing half is left, and the reason is told.

The tests stand in the order of an installation and share one node, so each begins where the last has ended.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from a1platform.naming import PROJECT
from sandbox.cache import Cache
from sandbox.node import Node
from tests.sandbox.changed_chart import change_chart
from tests.sandbox.deployment import UP, cluster_bundle, deployment
from tests.sandbox.faults import Lab, copy_of

pytestmark = [pytest.mark.sandbox, pytest.mark.long, pytest.mark.timeout(1200)]

_KUBECTL = "KUBECACHEDIR=/run/k3s/kubectl k3s kubectl --namespace keda"
_GATEKEEPER = "KUBECACHEDIR=/run/k3s/kubectl k3s kubectl --namespace gatekeeper-system"
_INGEST = "/var/lib/rancher/k3s/agent/containerd/io.containerd.content.v1.content/ingest"
"""Where containerd writes what it imports, before it knows that it is whole."""
_COPIES = "find /home/a1/.a1-upload -name *.tar 2>/dev/null"
_NOWHERE = {"image": {"keda": {"tag": "of-nobody"}}}
"""Values with an image that no bundle and no registry has."""


@pytest.fixture(scope="module")
def lab(cache: Cache, start_node: Callable[[str], Node], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A configured stack with KEDA, and a node that nothing has touched yet."""
    made = deployment(cache, start_node("a1"), tmp_path_factory.mktemp("state"))
    return Lab(dataclasses.replace(made, bundle=cluster_bundle(cache, "keda", "gatekeeper")))


def _configure(lab: Lab, values: dict[str, Any]) -> None:
    # No image of nobody's comes later than after a minute; one that is there may take its time to start.
    keda = {"timeout": 60 if values is _NOWHERE else 300, "values": values}
    lab.deployment.configure(lambda config: config[f"{PROJECT}:platform"].update(keda=keda))


def _operator(lab: Lab, path: str) -> str:
    return lab.deployment.on_node(
        f'{_KUBECTL} get deployment keda-operator --ignore-not-found --output jsonpath="{path}"'
    )


def _switch_off(lab: Lab) -> None:
    lab.deployment.configure()
    lab.succeeds()


def test_a_disk_that_fills_while_images_are_imported_is_named_and_the_copies_wait(lab: Lab) -> None:
    _switch_off(lab)
    _configure(lab, {})
    lab.deployment.on_node(f"mkdir -p {_INGEST} && mount -t tmpfs -o size=1m none {_INGEST}")
    try:
        assert "its disk is full or read-only. Free space there" in lab.refused()
        assert lab.deployment.on_node(_COPIES) != ""
        assert _operator(lab, "{.metadata.name}") == ""
    finally:
        lab.deployment.on_node(f"umount {_INGEST}")


def test_an_installation_that_cannot_get_ready_is_taken_back_and_says_why(lab: Lab) -> None:
    _configure(lab, _NOWHERE)
    said = lab.refused()
    assert "the newest warnings in namespace keda:" in said
    assert "keda:of-nobody" in said
    assert _operator(lab, "{.metadata.name}") == ""
    # What the full disk had no room for has been imported from the copies that had waited.
    assert lab.deployment.on_node(_COPIES) == ""


def test_up_installs_what_was_taken_back_once_it_can(lab: Lab) -> None:
    _configure(lab, {})
    lab.succeeds()
    assert lab.converged()


def test_an_upgrade_that_cannot_get_ready_is_rolled_back_and_says_why(lab: Lab) -> None:
    before = _operator(lab, "{.spec.template.spec.containers[0].image}")
    _configure(lab, _NOWHERE)
    said = lab.refused()
    assert "has been rolled back" in said
    assert "keda:of-nobody" in said
    assert _operator(lab, "{.spec.template.spec.containers[0].image}") == before
    assert _operator(lab, "{.status.readyReplicas}") == "1"


def test_up_goes_on_after_pulumi_was_killed_in_the_middle_of_an_upgrade(lab: Lab) -> None:
    _configure(lab, {"env": [{"name": "OF_THE_TEST", "value": "1"}]})
    pending = f"{_KUBECTL} get secrets --selector owner=helm,status=pending-upgrade --output name"
    # No longer than the command on the node may take, so that a run which never gets there is seen.
    assert lab.kill(*UP, after=f"for i in $(seq 250); do {pending} | grep -q . && break; sleep 0.2; done")
    lab.succeeds()
    assert lab.deployment.on_node(pending) == ""
    assert "OF_THE_TEST" in _operator(lab, "{.spec.template.spec.containers[0].env}")
    assert lab.converged()


def test_up_begins_anew_after_pulumi_was_killed_in_the_middle_of_an_installation(lab: Lab) -> None:
    _switch_off(lab)
    _configure(lab, {})
    pending = f"{_KUBECTL} get secrets --selector owner=helm,status=pending-install --output name"
    lab.kill(*UP, after=f"for i in $(seq 250); do {pending} | grep -q . && break; sleep 0.2; done")
    lab.succeeds()
    assert "was interrupted in an earlier run: forget the release and begin again" in lab.said[-1]
    assert lab.deployment.on_node(pending) == ""
    assert _operator(lab, "{.status.readyReplicas}") == "1"
    assert lab.converged()


def test_kinds_that_helm_only_installs_are_upgraded_with_their_release(lab: Lab, tmp_path: Path) -> None:
    name = "configs.config.gatekeeper.sh"

    def install(version: str, **fields: dict[str, str]) -> None:
        bundle = copy_of(lab.deployment.bundle, tmp_path / version, lambda _: None, "gatekeeper")
        change_chart(bundle, "gatekeeper", version, name, fields)

        def change(config: dict[str, Any]) -> None:
            config[f"{PROJECT}:policies"] = {"enabled": False}
            config[f"{PROJECT}:platform"].update(gatekeeper={"replicas": 1})

        dataclasses.replace(lab.deployment, bundle=bundle).configure(change)
        lab.succeeds()
        assert _get(lab, "configmap of-the-test", "{.metadata.labels.chart}") == f"gatekeeper-{version}"

    def known() -> list[str]:
        schema = "{.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties}"
        return sorted(json.loads(_get(lab, f"crd {name}", schema)))

    install("3.13.0")
    before = known()
    assert "ofTheTest" not in before
    kept = {"sync": {"syncOnly": [{"group": "", "version": "v1", "kind": "Namespace"}]}}
    _apply(lab, kept)
    install("3.13.1", ofTheTest={"type": "string"})
    assert known() == sorted([*before, "ofTheTest"])
    assert json.loads(_get(lab, f"{name} config", "{.spec}")) == kept
    _apply(lab, {**kept, "ofTheTest": "kept"})
    assert _get(lab, f"{name} config", "{.spec.ofTheTest}") == "kept"
    assert lab.converged()


def _get(lab: Lab, what: str, path: str) -> str:
    return lab.deployment.on_node(f'{_GATEKEEPER} get {what} --output jsonpath="{path}"')


def _apply(lab: Lab, spec: dict[str, Any]) -> None:
    config = {
        "apiVersion": "config.gatekeeper.sh/v1alpha1",
        "kind": "Config",
        "metadata": {"name": "config"},
        "spec": spec,
    }
    # Twice, so that the shell on the node reads it as one word.
    text = json.dumps(json.dumps(config))
    said = lab.deployment.on_node(f"echo {text} | {_GATEKEEPER} apply --server-side --filename - 2>&1")
    assert "serverside-applied" in said, said
