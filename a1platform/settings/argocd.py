"""The settings of Argo CD: who may log in."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from a1platform.settings.base import Settings
from a1platform.settings.part import PartSettings, Replicas
from a1platform.settings.together import Problem, gives

_PASSWORD_BYTES = (12, 72)


def _admin_password(value: SecretStr) -> SecretStr:
    size = len(value.get_secret_value().encode())
    if not _PASSWORD_BYTES[0] <= size <= _PASSWORD_BYTES[1]:
        raise ValueError(f"found a secret of {size} bytes, which is not shown, expected 12 to 72")
    return value


AdminPassword = Annotated[SecretStr, AfterValidator(_admin_password)]
"""A password that bcrypt takes whole."""
Group = Annotated[str, Field(pattern=r"^[^\s,\"'#][^,\"'#\r\n]*$", examples=["platform-engineers"])]
"""A group's name, which stands in a line of a policy between commas."""


class OidcSettings(Settings):
    """Where people who use Argo CD log in.

    Attributes:
        issuer: The provider's address, below which `.well-known/openid-configuration` is.
        client_id: Argo CD's name there.
        client_secret: What Argo CD proves itself with. Set with `pulumi config set --secret --path`.
        url: Where browsers reach Argo CD; the provider sends them back to `<url>/auth/callback`.
        name: On the button.
        scopes: What is asked of the provider; the groups have to be in the claim `groups`.
        admins: Groups that may do everything.
        readers: Groups that may look at everything.
    """

    issuer: str = Field(pattern=r"^https://\S+$", examples=["https://id.example.com/realms/a"])
    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(min_length=1)
    url: str = Field(pattern=r"^https?://[^\s/]+(/\S*)?$", examples=["https://cd.example.com"])
    name: str = Field(default="SSO", min_length=1)
    scopes: tuple[str, ...] = ("openid", "profile", "email", "groups")
    admins: tuple[Group, ...] = Field(min_length=1)
    readers: tuple[Group, ...] = ()


class ArgoCdSettings(PartSettings):
    """Delivery from Git; what it syncs is said by `services.gitops`.

    Attributes:
        server_replicas: Pods of the API server, which people and `argocd` talk to.
        repository_replicas: Pods that render what is in the repositories.
        admin_password: Of the local user `admin`, 12 to 72 bytes; without one Argo CD makes its own. Set with
            `pulumi config set --secret --path`.
        oidc: Where people log in; the local user is then switched off.
    """

    server_replicas: Replicas = 1
    repository_replicas: Replicas = 1
    admin_password: AdminPassword | None = None
    oidc: OidcSettings | None = None

    def between(self, given: object) -> Iterator[Problem]:
        """Return where more than one way in is given."""
        yield from super().between(given)
        if gives(self, given, "admin_password") and gives(self, given, "oidc"):
            text = "found both adminPassword and oidc, expected one of them: with oidc the local user is off"
            yield Problem((), text)
