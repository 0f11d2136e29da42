"""External Secrets: what the store holds arrives where a service is, and so does its change."""

import base64
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import kr8s
import pytest
from kr8s.objects import Secret, ServiceAccount, new_class

from a1platform.cli.stack_file import StackFile
from a1platform.platform.external_secrets import READER, STORE
from a1platform.platform.namespaces import PARTS, SECRETS
from a1platform.services.catalog import CATALOG, GATEWAY, store_keys
from a1platform.services.credentials import api_keys
from a1platform.services.resolve import NAMESPACE
from tests.access import STORE_READERS
from tests.smoke.conftest import Outputs, listed
from tests.smoke.pods import running_since
from tests.smoke.rest import Manifest, Rest, as_applied, is_applied
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.smoke, pytest.mark.part("external-secrets")]
pytest_plugins = ["tests.smoke.mcp_client"]

ClusterSecretStore = new_class(
    "ClusterSecretStore", "external-secrets.io/v1", asyncio=False, namespaced=False
)
ExternalSecret = new_class("ExternalSecret", "external-secrets.io/v1", asyncio=False, namespaced=True)


_CLIENTS = "api-keys.json"
_FOLLOWED_SECONDS = 150
"""The kubelet brings a changed Secret to the pods within about a minute."""


def test_the_store_answers(api: kr8s.Api) -> None:
    stores = {one.name: _ready(one.raw) for one in listed(ClusterSecretStore, api)}
    assert stores[STORE] == "True", stores


@pytest.mark.part("mcp-services")
def test_every_service_that_needs_a_secret_has_it(api: kr8s.Api, outputs: Outputs) -> None:
    wanted = {
        entry.name: {secret.key for secret in entry.secrets}
        for entry in CATALOG
        if entry.secrets and entry.name in outputs.services
    }
    declared = {one.name: _ready(one.raw) for one in listed(ExternalSecret, api, namespace=NAMESPACE)}
    there = {one.name: set(one.raw.get("data", {})) for one in listed(Secret, api, namespace=NAMESPACE)}
    assert {name: declared.get(name) for name in wanted} == dict.fromkeys(wanted, "True")
    assert {name: there.get(name) for name in wanted} == wanted


def test_only_the_stores_own_namespace_holds_what_it_was_made_from(api: kr8s.Api, stack_file: Path) -> None:
    _skip_with_another_store(stack_file)
    held = {one.name for one in listed(Secret, api, namespace=SECRETS)}
    assert store_keys().keys() <= held


def test_no_account_of_a_part_or_a_service_reads_the_store_but_those_that_are_documented(
    rest: Rest, api: kr8s.Api, stack_file: Path
) -> None:
    ours = {NAMESPACE, *(name for names in PARTS.values() for name in names)}
    accounts = [(one.namespace, one.name) for one in listed(ServiceAccount, api, namespace=kr8s.ALL)]
    found = {one for one in accounts if one[0] in ours and _may_read_the_store(rest, *one)}
    assert found - STORE_READERS == set()
    # Else the question itself would be wrong.
    _skip_with_another_store(stack_file)
    assert (SECRETS, READER) in found


def _may_read_the_store(rest: Rest, namespace: str, account: str) -> bool:
    user = f"system:serviceaccount:{namespace}:{account}"
    groups = ("system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    rights = ((verb, "", "secrets") for verb in ("get", "list", "watch"))
    return any(rest.allowed(user, groups, right, namespace=SECRETS) for right in rights)


@pytest.fixture
def stored(rest: Rest, stack_file: Path) -> Iterator[Manifest]:
    """A value of this run in the store, and what brings it to the services' namespace."""
    _skip_with_another_store(stack_file)
    name = f"a1-smoke-{secrets.token_hex(4)}"
    source = _secret(name, "first")
    wish: Manifest = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": source["metadata"]["labels"]},
        "spec": {
            "refreshInterval": "1s",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": STORE},
            "target": {"name": name, "creationPolicy": "Owner"},
            "data": [{"secretKey": "value", "remoteRef": {"key": name, "property": "value"}}],
        },
    }
    with rest.applied(source, wish):
        yield source


def test_a_value_in_the_store_arrives_at_the_services_and_so_does_its_change(
    rest: Rest, stored: Manifest
) -> None:
    name = stored["metadata"]["name"]
    assert eventually(lambda: _arrived(rest, name), 30, wanted=lambda seen: seen == "first") == "first"
    rest.apply(_secret(name, "second"))
    assert eventually(lambda: _arrived(rest, name), 30, wanted=lambda seen: seen == "second") == "second"


@pytest.fixture
def admitted(rest: Rest, api: kr8s.Api, stack_file: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """An API key that nobody knows, and what adds it to the clients at its source; it goes afterwards."""
    _skip_with_another_store(stack_file)
    key = secrets.token_urlsafe(32)
    source: Manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "mcp-auth", "namespace": SECRETS},
    }
    found = rest.get(source)
    assert found
    before = found["data"][_CLIENTS]
    clients = json.loads(base64.b64decode(before)) + json.loads(api_keys(key))

    def put(value: str) -> None:
        if is_applied(found, _CLIENTS):
            owner, theirs = as_applied(found, _CLIENTS)
            rest.apply({**theirs, "data": {**theirs["data"], _CLIENTS: value}}, owner)
        else:
            rest.merge(source, {"data": {_CLIENTS: value}})
        wish: Any = ExternalSecret.get(GATEWAY, namespace=NAMESPACE, api=api)
        wish.annotate({"force-sync": secrets.token_hex(4)})

    yield key, lambda: put(base64.b64encode(json.dumps(clients).encode()).decode())
    put(before)
    assert eventually(lambda: _source(rest, source), 30, wanted=lambda seen: seen == before) == before


@pytest.mark.part("mcp-services")
def test_a_secret_changed_at_its_source_reaches_the_pods_without_a_restart(
    admitted: tuple[str, Callable[[], None]], gateway: str, api: kr8s.Api
) -> None:
    key, change = admitted
    pods = running_since(api, GATEWAY)

    def status() -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx2.post(f"{gateway}/mcp", json={}, headers=headers).status_code

    assert status() == httpx2.codes.UNAUTHORIZED
    change()
    seen = eventually(status, _FOLLOWED_SECONDS, wanted=lambda one: one != httpx2.codes.UNAUTHORIZED, every=2)
    assert seen != httpx2.codes.UNAUTHORIZED, "the gateway does not know the new key"
    assert running_since(api, GATEWAY).items() >= pods.items()


def _source(rest: Rest, source: Manifest) -> str:
    found = rest.get(source)
    return str(found["data"][_CLIENTS]) if found else ""


def _skip_with_another_store(stack_file: Path) -> None:
    if StackFile(stack_file).platform().external_secrets.provider is not None:
        pytest.skip("the store is the site's own, and a check writes nothing into that")


def _secret(name: str, value: str) -> Manifest:
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "a1platform"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": SECRETS, "labels": labels},
        "stringData": {"value": value},
    }


def _arrived(rest: Rest, name: str) -> str | None:
    found = rest.get(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}}
    )
    return base64.b64decode(found["data"]["value"]).decode() if found else None


def _ready(raw: Manifest) -> str:
    conditions = raw.get("status", {}).get("conditions", [])
    return next((one["status"] for one in conditions if one["type"] == "Ready"), "not there")
