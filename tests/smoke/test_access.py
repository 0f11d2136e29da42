"""The named roles: what the API server itself answers for somebody who holds one."""

from pathlib import Path

import pytest
import yaml

from a1platform.naming import PROJECT
from a1platform.platform.access import PLATFORM_ENGINEER, READ_ONLY, SERVICE_DEVELOPER
from a1platform.settings.access import AccessSettings, RoleSubjects
from tests.access import QUESTIONS, Question
from tests.smoke.rest import Rest

pytestmark = pytest.mark.smoke


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
    answer = rest.allowed(
        groups[0], question.verb, question.group, question.resource, namespace=question.namespace
    )
    assert answer is question.allowed
