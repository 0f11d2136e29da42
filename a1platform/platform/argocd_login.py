"""Who may log in to Argo CD: the local administrator with a password of the site's, or people by OIDC."""

import base64
from collections.abc import Mapping
from typing import Any

import bcrypt
import pulumi
import yaml

from a1platform.delivery.pulumi_sink import declare_secret
from a1platform.naming import labels
from a1platform.platform.namespaces import ARGO_CD
from a1platform.platform.random_text import random_text, time_text
from a1platform.settings.argocd import ArgoCdSettings, OidcSettings

OIDC_SECRET = "argocd-oidc"  # noqa: S105 - an object's name
_KEY = "clientSecret"

_COST = b"$2a$10$"
"""What Argo CD itself asks of bcrypt."""
_SALT_BYTES = 16
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OF_BCRYPT = str.maketrans(_BASE64, "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


def oidc_values(oidc: OidcSettings | None) -> dict[str, Any]:
    """Return the chart's values for logging in by OIDC, in place of the local administrator.

    Args:
        oidc: The provider; without one there is nothing to say.
    """
    if oidc is None:
        return {}
    config = {
        "name": oidc.name,
        "issuer": oidc.issuer,
        "clientID": oidc.client_id,
        # Argo CD puts in what the key of that Secret holds.
        "clientSecret": f"${OIDC_SECRET}:{_KEY}",
        "requestedScopes": list(oidc.scopes),
    }
    granted = {"admin": oidc.admins, "readonly": oidc.readers}
    lines = [f"g, {group}, role:{role}" for role, groups in granted.items() for group in groups]
    return {
        "configs": {
            "cm": {
                "url": oidc.url,
                "admin.enabled": False,
                "oidc.config": yaml.safe_dump(config, sort_keys=False),
            },
            # Whoever is in none of the groups may log in and see nothing.
            "rbac": {"policy.default": "", "policy.csv": "".join(f"{line}\n" for line in lines)},
        }
    }


def oidc_secret(name: str, oidc: OidcSettings, opts: pulumi.ResourceOptions) -> pulumi.CustomResource:
    """Declare the Secret that holds the client's secret.

    Args:
        name: Logical name.
        oidc: The provider.
        opts: Parent and what to wait for.
    """
    # Argo CD reads Secrets of no other label.
    told = {**labels(OIDC_SECRET, "delivery"), "app.kubernetes.io/part-of": "argocd"}
    return declare_secret(
        name,
        {"name": OIDC_SECRET, "namespace": ARGO_CD, "labels": told},
        {_KEY: pulumi.Output.secret(oidc.client_secret.get_secret_value())},
        opts,
    )


def with_password(
    name: str, settings: ArgoCdSettings, values: Mapping[str, Any], opts: pulumi.ResourceOptions
) -> dict[str, Any]:
    """Return the chart's values with the local administrator's password, as a hash that is a secret.

    Its salt and its time are made once for each password: the values stay the same from run to run, and a new
    password ends the sessions of the old one.

    Args:
        name: Beginning of the logical names.
        settings: Argo CD's slice of the settings; without a password the values stay as they are.
        values: The chart's values, the site's own merged into them.
        opts: The parent.
    """
    if settings.admin_password is None:
        return dict(values)
    password = pulumi.Output.secret(settings.admin_password.get_secret_value())
    salt = random_text(f"{name}-password-salt", opts, [password])
    changed = time_text(f"{name}-password-changed", opts, [password])
    hashed = pulumi.Output.all(password, salt).apply(lambda both: password_hash(both[0], both[1]))
    ours = {"argocdServerAdminPassword": hashed, "argocdServerAdminPasswordMtime": changed}
    configs = values["configs"]
    return {**values, "configs": {**configs, "secret": {**ours, **configs.get("secret", {})}}}


def password_hash(password: str, salt: str) -> str:
    """Return a password's bcrypt hash as Argo CD keeps it.

    Args:
        password: At most 72 bytes.
        salt: At least 32 hexadecimal digits; what is longer is not used.
    """
    raw = bytes.fromhex(salt)[:_SALT_BYTES]
    text = base64.b64encode(raw).decode().rstrip("=").translate(_OF_BCRYPT)
    return bcrypt.hashpw(password.encode(), _COST + text.encode()).decode()
