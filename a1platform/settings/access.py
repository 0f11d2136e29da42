"""Settings of who may do what in the cluster: the people of each named role."""

from typing import Annotated

from pydantic import AfterValidator, Field

from a1platform.settings.base import Settings
from a1platform.settings.shown import shown


def _of_people(name: str) -> str:
    if name.startswith("system:"):
        raise ValueError(
            f"found {shown(name)}, expected people: what begins with system: is Kubernetes's own, "
            "and some of it everybody"
        )
    return name


Subject = Annotated[str, Field(min_length=1), AfterValidator(_of_people)]
"""A user or a group as the API server hears it: a certificate's CN or O, or the claims of a token."""


class RoleSubjects(Settings):
    """Who holds a role.

    Attributes:
        groups: Names of groups.
        users: Names of users.
    """

    groups: tuple[Subject, ...] = ()
    users: tuple[Subject, ...] = ()


class AccessSettings(Settings):
    """Who holds which role; the rights are those of `a1platform/platform/access.py`.

    Attributes:
        platform_engineers: Run the platform: see everything but Secrets, restart, drain and weaken a policy
            everywhere, change what runs in the namespace of the services; the group
            `a1:platform-engineers` where nobody is named.
        service_developers: Look after the services: read them, their logs, restart their pods; the group
            `a1:service-developers` where nobody is named.
        read_only: Look at everything but Secrets; the group `a1:read-only` where nobody is named.
    """

    platform_engineers: RoleSubjects = RoleSubjects(groups=("a1:platform-engineers",))
    service_developers: RoleSubjects = RoleSubjects(groups=("a1:service-developers",))
    read_only: RoleSubjects = RoleSubjects(groups=("a1:read-only",))
