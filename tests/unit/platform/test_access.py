"""The named roles: what each may do, and who holds them."""

import pytest
from pydantic import ValidationError

from a1platform.delivery.manifest import Manifest
from a1platform.platform.access import (
    PLATFORM_ENGINEER_WORKLOADS,
    READ_ONLY,
    SERVICE_DEVELOPER,
    bindings,
    roles,
)
from a1platform.platform.namespaces import ARGO_CD, KEDA, NODE_EXPORTER, PROMETHEUS
from a1platform.services.resolve import NAMESPACE
from a1platform.settings.access import AccessSettings, RoleSubjects
from tests.access import QUESTIONS, Question

ROLES = {role["metadata"]["name"]: role["rules"] for role in roles()}
BINDINGS = bindings(AccessSettings(), (NAMESPACE,), (ARGO_CD, KEDA, NODE_EXPORTER, PROMETHEUS))


def _may(question: Question) -> bool:
    """Answer as the API server does: a binding that reaches there, and a rule of its role that names all."""
    [people] = [one["subjects"] for one in BINDINGS if one["metadata"]["name"] == question.role]
    held = {
        one["roleRef"]["name"]
        for one in BINDINGS
        if one["subjects"] == people
        and one["metadata"].get("namespace", question.namespace) == question.namespace
    }
    return any(
        question.verb in rule["verbs"]
        and question.group in rule["apiGroups"]
        and question.resource in rule["resources"]
        for name in held
        for rule in ROLES[name]
    )


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_a_role_may_do_what_its_name_says_and_nothing_else(question: Question) -> None:
    assert _may(question) is question.allowed


@pytest.mark.parametrize("name", ROLES)
def test_a_role_names_every_right(name: str) -> None:
    assert "*" not in str(ROLES[name])
    assert all("secrets" not in rule["resources"] for rule in ROLES[name])


def test_who_only_reads_has_no_verb_that_changes_anything() -> None:
    assert {verb for rule in ROLES[READ_ONLY] for verb in rule["verbs"]} == {"get", "list", "watch"}


@pytest.mark.parametrize("name", [SERVICE_DEVELOPER, PLATFORM_ENGINEER_WORKLOADS])
def test_what_belongs_to_the_services_is_bound_in_their_namespaces_only(name: str) -> None:
    assert [
        (one["kind"], one["metadata"].get("namespace")) for one in BINDINGS if one["roleRef"]["name"] == name
    ] == [("RoleBinding", NAMESPACE)]


def _subjects(found: list[Manifest]) -> dict[str, list[tuple[str, str]]]:
    return {
        one["metadata"]["name"]: [(subject["kind"], subject["name"]) for subject in one["subjects"]]
        for one in found
    }


def test_a_platform_engineer_forwards_ports_of_the_services_and_of_pages_to_look_at_alone() -> None:
    forwarding = {name for name, rules in ROLES.items() if "pods/portforward" in str(rules)}
    assert {one["metadata"].get("namespace") for one in BINDINGS if one["roleRef"]["name"] in forwarding} == {
        NAMESPACE,
        PROMETHEUS,
    }


def test_the_settings_say_who_holds_a_role_and_a_role_that_nobody_holds_is_bound_to_nobody() -> None:
    settings = AccessSettings(
        platform_engineers=RoleSubjects(groups=("sre",), users=("alice",)), read_only=RoleSubjects()
    )
    assert _subjects(bindings(settings, (NAMESPACE,), ())) == {
        "a1-platform-engineer": [("Group", "sre"), ("User", "alice")],
        "a1-platform-engineer-workloads": [("Group", "sre"), ("User", "alice")],
        "a1-service-developer": [("Group", "a1:service-developers")],
    }


def test_a_role_is_never_given_to_everybody() -> None:
    with pytest.raises(ValidationError, match="found 'system:authenticated', expected people"):
        RoleSubjects(groups=("system:authenticated",))
