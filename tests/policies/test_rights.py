"""A service that declares rights on the Kubernetes API passes our own policies, and no other does."""

from dataclasses import replace

import pytest

from a1platform.delivery.manifest import Manifest
from a1platform.platform.policy_set import load
from a1platform.services.builders import service_objects
from a1platform.services.catalog import CATALOG
from a1platform.services.model import CatalogEntry, Rule
from a1platform.services.resolve import accounts_with_token, resolve
from a1platform.settings.policies import PolicySettings
from a1platform.settings.services import ServicesSettings
from tests.policies.gator import Gator

READER = CatalogEntry(
    name="mcp-reader",
    role="reader",
    sizes=CATALOG[0].sizes,
    rules=(Rule(("",), ("configmaps",), ("get",)),),
)


@pytest.fixture(scope="module")
def objects() -> list[Manifest]:
    """Every object of a service that declares rights."""
    [reader] = resolve(ServicesSettings(), catalog=(READER,))
    return service_objects(reader)


def test_a_service_with_rights_passes_every_policy(gator: Gator, objects: list[Manifest]) -> None:
    policies = load().configured(PolicySettings(), accounts_with_token((READER,)))
    assert gator.violations(policies, objects) == []


def test_the_accounts_of_the_settings_are_added_to_those_of_the_catalog(
    gator: Gator, objects: list[Manifest]
) -> None:
    given = PolicySettings(parameters={"service-account": {"accountsWithToken": ["a1-orchestrator/agent"]}})
    policies = load().configured(given, accounts_with_token((READER,)))
    assert gator.violations(policies, objects) == []
    alone = {one.policy for one in gator.violations(load().configured(given), objects)}
    assert alone == {"service-account"}


def test_a_service_without_rights_is_not_listed_and_its_token_is_refused(
    gator: Gator, objects: list[Manifest]
) -> None:
    listed = accounts_with_token((replace(READER, rules=()),))
    assert listed == ()
    found = gator.violations(load().configured(PolicySettings(), listed), objects)
    assert {(one.policy, one.object) for one in found} == {("service-account", "Deployment/mcp-reader")}
