"""The component `Credentials`: what it generates is what the services read, and secret."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
from mcp_services.core.api_keys import ApiKeys

from a1platform.services.catalog import GENERATED, store_keys
from a1platform.services.credentials import Credentials, api_keys
from tests.components.conftest import Declared

Declare = Callable[..., dict[str, Declared]]


def test_the_gateway_knows_the_client_by_the_digest_of_its_key_only(tmp_path: Path) -> None:
    text = api_keys("of-the-client")
    (tmp_path / "api-keys.json").write_text(text)
    subject = ApiKeys(tmp_path / "api-keys.json").subject("of-the-client")
    assert subject is not None
    assert (subject.id, subject.scopes) == ("smoke", ("tools",))
    assert "of-the-client" not in text


def test_the_store_is_filled_with_exactly_what_the_catalog_asks_of_it(declare: Declare) -> None:
    found: list[Any] = []

    def program() -> pulumi.Output[Any]:
        credentials = Credentials("credentials")
        return pulumi.Output.from_input(dict(credentials.content)).apply(found.append)

    declare(program)
    assert {source: tuple(sorted(keys)) for source, keys in found[0].items()} == GENERATED == store_keys()
    assert json.loads(found[0]["mcp-auth"]["jwks.json"]) == {"keys": []}


def test_a_key_is_made_once_and_kept_whatever_changes_about_its_resource(declare: Declare) -> None:
    declared = declare(lambda: Credentials("credentials").api_key)
    inputs = declared["credentials-api-key"].inputs
    assert "urandom" in inputs["create"]
    assert inputs["update"] == 'printf %s "$PULUMI_COMMAND_STDOUT"'
    assert "delete" not in inputs
