"""A webhook that is down: what is refused meanwhile, what goes on, and that a run waits for it.

Beside it a policy that was weakened by hand and comes back. The tests share one node with Gatekeeper and
External Secrets. What each chart's webhooks refuse is in `test_bundle.py`, which needs no node.
"""

import base64
import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from a1platform.naming import PROJECT
from a1platform.platform.external_secrets import STORE
from a1platform.services.resolve import NAMESPACE
from sandbox.cache import Cache
from sandbox.node import Node
from tests.sandbox.deployment import cluster_bundle, deployment
from tests.sandbox.faults import Lab

pytestmark = [pytest.mark.sandbox, pytest.mark.long, pytest.mark.timeout(1200)]

_KUBECTL = "KUBECACHEDIR=/run/k3s/kubectl k3s kubectl"
_GATEKEEPER = ("gatekeeper-system", "gatekeeper-controller-manager")
_EXTERNAL_SECRETS = ("external-secrets", "external-secrets-webhook")
_SECONDS = 120


@pytest.fixture(scope="module")
def lab(cache: Cache, start_node: Callable[[str], Node], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A node with both parts, as `up` leaves it."""
    made = deployment(cache, start_node("a1"), tmp_path_factory.mktemp("state"))
    lab = Lab(dataclasses.replace(made, bundle=cluster_bundle(cache, "gatekeeper", "external-secrets")))
    _configure(lab, {})
    lab.succeeds()
    return lab


def _configure(lab: Lab, secrets: dict[str, dict[str, str]]) -> None:
    def change(config: dict[str, Any]) -> None:
        on = {"gatekeeper": {"enabled": True}, "externalSecrets": {"enabled": True, "secrets": secrets}}
        config[f"{PROJECT}:platform"].update(on)

    lab.deployment.configure(change)


def _kubectl(lab: Lab, words: str) -> str:
    """Return what kubectl says on the node, errors included."""
    return lab.deployment.on_node(f"{_KUBECTL} {words} 2>&1")


def _pods(lab: Lab, webhook: tuple[str, str]) -> str:
    namespace, name = webhook
    return _kubectl(
        lab, f'--namespace {namespace} get deployment {name} --output jsonpath="{{.status.readyReplicas}}"'
    )


def _until(lab: Lab, webhook: tuple[str, str], wanted: str) -> None:
    until = time.monotonic() + _SECONDS
    while _pods(lab, webhook) != wanted:
        assert time.monotonic() < until, f"{webhook[1]} has {_pods(lab, webhook) or 'no'} pods"
        time.sleep(1)


@contextmanager
def _down(lab: Lab, webhook: tuple[str, str]) -> Iterator[Callable[[], None]]:
    """Take a webhook's pods away; gives what brings them back, which the end does in any case."""
    namespace, name = webhook
    scale = f"--namespace {namespace} scale deployment {name} --replicas"

    def back() -> None:
        _kubectl(lab, f"{scale} 1")

    _kubectl(lab, f"{scale} 0")
    try:
        _until(lab, webhook, "")
        yield back
    finally:
        back()
        _until(lab, webhook, "1")


def _read_often(lab: Lab) -> None:
    """Ask for `of-the-test` of the store, every few seconds."""
    wanted = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "of-the-test", "namespace": NAMESPACE},
        "spec": {
            "refreshInterval": "5s",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": STORE},
            "data": [{"secretKey": "key", "remoteRef": {"key": "of-the-test", "property": "key"}}],
        },
    }
    # Twice, so that the shell on the node reads it as one word.
    text = json.dumps(json.dumps(wanted))
    assert "created" in lab.deployment.on_node(f"echo {text} | {_KUBECTL} create --filename - 2>&1")


def _until_read(lab: Lab, wanted: str) -> None:
    """Wait until what was asked for has a value."""
    get = f'--namespace {NAMESPACE} get secret of-the-test --output jsonpath="{{.data.key}}"'
    encoded = base64.b64encode(wanted.encode()).decode()
    until = time.monotonic() + _SECONDS
    while (found := _kubectl(lab, get)) != encoded:
        assert time.monotonic() < until, found
        time.sleep(1)


def test_without_gatekeeper_no_namespace_is_made_and_everything_else_goes_on(lab: Lab) -> None:
    with _down(lab, _GATEKEEPER):
        said = _kubectl(lab, "create namespace of-the-test")
        assert "failed calling webhook" in said
        assert "check-ignore-label.gatekeeper.sh" in said
        # Policies are not enforced meanwhile: docs/policies.md.
        assert "created" in _kubectl(lab, f"--namespace {NAMESPACE} create configmap of-the-test")
        deleted = f"--namespace {_EXTERNAL_SECRETS[0]} delete pods --all --timeout 60s"
        assert "deleted" in _kubectl(lab, deleted)
        _until(lab, _EXTERNAL_SECRETS, "1")
    assert "deleted" in _kubectl(lab, f"--namespace {NAMESPACE} delete configmap of-the-test")
    assert "created" in _kubectl(lab, "create namespace of-the-test")
    assert "deleted" in _kubectl(lab, "delete namespace of-the-test --timeout 60s")


def test_a_policy_that_was_weakened_to_break_the_glass_is_set_back_by_a_refresh_and_up(lab: Lab) -> None:
    action = 'get a1podprivilege pod-privilege --output jsonpath="{.spec.enforcementAction}"'
    assert _kubectl(lab, action) == "deny"
    # Twice, so that the shell on the node reads it as one word.
    weaker = json.dumps(json.dumps({"spec": {"enforcementAction": "dryrun"}}))
    assert "patched" in _kubectl(lab, f"patch a1podprivilege pod-privilege --type merge --patch {weaker}")
    assert _kubectl(lab, action) == "dryrun"
    lab.succeeds("refresh", "--yes", "--skip-preview")
    # The preview asks the API server too.
    lab.succeeds("preview")
    assert _kubectl(lab, action) == "dryrun"
    lab.succeeds()
    assert _kubectl(lab, action) == "deny"
    assert lab.converged()


def test_without_the_webhook_of_external_secrets_stores_stay_as_they_are_and_are_read(lab: Lab) -> None:
    _configure(lab, {"of-the-test": {"key": "1"}})
    lab.succeeds()
    _read_often(lab)
    _until_read(lab, "1")
    with _down(lab, _EXTERNAL_SECRETS):
        said = _kubectl(lab, f"label clustersecretstore {STORE} of-the-test=1")
        assert "failed calling webhook" in said
        ready = f'get clustersecretstore {STORE} --output jsonpath="{{.status.conditions[*].status}}"'
        assert _kubectl(lab, ready) == "True"
        # Secrets of the cluster itself know no webhook: what the store holds is changed as ever, and arrives.
        _configure(lab, {"of-the-test": {"key": "2"}})
        lab.succeeds()
        _until_read(lab, "2")
    assert "labeled" in _kubectl(lab, f"label clustersecretstore {STORE} of-the-test=1")
    assert "unlabeled" in _kubectl(lab, f"label clustersecretstore {STORE} of-the-test-")


def test_up_waits_for_a_webhook_that_comes_back_within_a_minute(lab: Lab) -> None:
    assert "deleted" in _kubectl(lab, f"delete clustersecretstore {STORE}")
    lab.succeeds("refresh", "--yes", "--skip-preview")
    with _down(lab, _EXTERNAL_SECRETS) as back, ThreadPoolExecutor(1) as background:
        running = background.submit(lab.succeeds)
        # Long enough that the store has been refused, and less than what a run waits.
        time.sleep(30)
        assert not running.done()
        back()
        running.result()
    assert lab.converged()
