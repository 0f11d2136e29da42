"""External Secrets: what the store holds arrives where a service is, and so does its change."""

import base64
import secrets
from collections.abc import Iterator
from pathlib import Path

import kr8s
import pytest
from kr8s.objects import Secret, new_class

from a1platform.cli.stack_file import StackFile
from a1platform.platform.external_secrets import STORE
from a1platform.platform.namespaces import SECRETS
from a1platform.services.catalog import CATALOG, store_keys
from a1platform.services.resolve import NAMESPACE
from tests.smoke.conftest import Outputs, listed
from tests.smoke.rest import Manifest, Rest
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.smoke, pytest.mark.part("external-secrets")]

ClusterSecretStore = new_class(
    "ClusterSecretStore", "external-secrets.io/v1", asyncio=False, namespaced=False
)
ExternalSecret = new_class("ExternalSecret", "external-secrets.io/v1", asyncio=False, namespaced=True)


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
