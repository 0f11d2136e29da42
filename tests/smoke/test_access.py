"""The named roles: what the API server itself answers for somebody who holds one."""

from pathlib import Path

import pytest
import yaml

from a1platform.naming import PROJECT
from a1platform.platform.access import PLATFORM_ENGINEER, READ_ONLY, SERVICE_DEVELOPER
from a1platform.services.catalog import CATALOG
from a1platform.services.model import CatalogEntry
from a1platform.services.resolve import NAMESPACE
from a1platform.settings.access import AccessSettings, RoleSubjects
from tests.access import QUESTIONS, Question
from tests.smoke.rest import Rest

pytestmark = pytest.mark.smoke

_NEVER_BY_DEFAULT = (
    ("get", "", "secrets"),
    ("list", "", "pods"),
    ("create", "", "pods"),
    ("get", "", "configmaps"),
    ("patch", "apps", "deployments"),
    ("create", "rbac.authorization.k8s.io", "rolebindings"),
)


@pytest.fixture(scope="module")
def people(stack_file: Path) -> dict[str, RoleSubjects]:
    """Who holds each role by the stack's settings."""
    config = yaml.safe_load(stack_file.read_text(encoding="utf-8"))["config"]
    access = AccessSettings.model_validate(config.get(f"{PROJECT}:access", {}))
    return {
        PLATFORM_ENGINEER: access.platform_engineers,
        SERVICE_DEVELOPER: access.service_developers,
        READ_ONLY: access.read_only,
    }


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_a_role_may_do_what_its_name_says_and_nothing_else(
    question: Question, people: dict[str, RoleSubjects], rest: Rest
) -> None:
    groups = people[question.role].groups
    if not groups:
        pytest.skip(f"the stack gives {question.role} to no group")
    asked = (question.verb, question.group, question.resource)
    answer = rest.allowed("somebody", groups[:1], asked, namespace=question.namespace)
    assert answer is question.allowed


@pytest.mark.part("mcp-services")
@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_the_account_of_a_service_may_do_what_the_catalog_declares_and_nothing_else(
    entry: CatalogEntry, rest: Rest
) -> None:
    account = f"system:serviceaccount:{NAMESPACE}:{entry.name}"
    groups = ("system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}")
    declared = {
        (verb, group, resource)
        for rule in entry.rules
        for verb in rule.verbs
        for group in rule.groups
        for resource in rule.resources
    }
    asked = declared | set(_NEVER_BY_DEFAULT)
    answers = {one: rest.allowed(account, groups, one, namespace=NAMESPACE) for one in asked}
    assert {one for one, allowed in answers.items() if allowed} == declared
