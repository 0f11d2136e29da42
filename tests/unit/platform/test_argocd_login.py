"""Who may log in to Argo CD, by Argo CD's own program where it is built."""

import subprocess
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml

from a1platform.platform import argocd
from a1platform.platform.argocd_login import OIDC_SECRET, password_hash
from a1platform.platform.chart import OFFICIAL
from a1platform.platform.part import PartArgs
from a1platform.platform.sizes import Sizing
from a1platform.settings.argocd import ArgoCdSettings
from a1platform.settings.load import SettingsError, parse
from a1platform.settings.services import Profile
from tests.no_cluster import NO_CLUSTER

OIDC: dict[str, Any] = {
    "issuer": "https://id.example.com/realms/a",
    "clientId": "argo-cd",
    "clientSecret": "of-the-client",
    "url": "https://cd.example.com",
    "admins": ["Platform Team"],
    "readers": ["developers"],
}
_SALT = "00112233445566778899aabbccddeeff" * 2


def _configs(**settings: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the settings take
    chosen = ArgoCdSettings.model_validate(settings)
    values = argocd.values(PartArgs(OFFICIAL["argo-cd"], chosen, Sizing(Profile.SMALL), monitoring=True))
    configs: dict[str, Any] = values["configs"]
    return configs


def test_without_oidc_nothing_is_said_about_logging_in() -> None:
    configs = _configs()
    assert set(configs) == {"params", "cm"}
    assert not {"url", "admin.enabled", "oidc.config"} & set(configs["cm"])


def test_with_oidc_the_local_administrator_is_off_and_the_secret_is_only_named() -> None:
    configs = _configs(oidc=OIDC)
    assert configs["cm"]["admin.enabled"] is False
    assert configs["cm"]["url"] == OIDC["url"]
    config = yaml.safe_load(configs["cm"]["oidc.config"])
    assert (config["issuer"], config["clientID"]) == (OIDC["issuer"], OIDC["clientId"])
    assert config["clientSecret"] == f"${OIDC_SECRET}:clientSecret"
    assert "of-the-client" not in str(configs)
    assert "resource.customizations.health.argoproj.io_Application" in configs["cm"]


def test_the_sites_own_values_win_over_what_oidc_brings() -> None:
    values = {"configs": {"rbac": {"policy.default": "role:readonly"}}}
    assert _configs(oidc=OIDC, values=values)["rbac"]["policy.default"] == "role:readonly"


@pytest.mark.parametrize(
    ("group", "action", "answer"),
    [
        ("Platform Team", "sync", "Yes"),
        ("developers", "get", "Yes"),
        ("developers", "sync", "No"),
        ("strangers", "get", "No"),
    ],
)
def test_each_group_may_do_what_its_role_says_and_strangers_nothing(
    program: str, tmp_path: Path, group: str, action: str, answer: str
) -> None:
    (tmp_path / "policy").write_text(_configs(oidc=OIDC)["rbac"]["policy.csv"])
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(NO_CLUSTER))
    command = [program, "admin", "settings", "rbac", "can", group, action, "applications", "a1/mcp-gateway"]
    done = subprocess.run(
        [*command, "--policy-file", str(tmp_path / "policy")],
        env={"KUBECONFIG": str(tmp_path / "kubeconfig"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == answer, done.stderr


def test_a_password_is_kept_as_a_hash_that_is_the_same_from_run_to_run() -> None:
    hashed = password_hash("correct horse battery", _SALT)
    assert hashed == password_hash("correct horse battery", _SALT)
    assert hashed != password_hash("correct horse battery", _SALT[::-1])
    assert bcrypt.checkpw(b"correct horse battery", hashed.encode())
    assert not bcrypt.checkpw(b"another horse", hashed.encode())


def _refused(**settings: Any) -> str:  # noqa: ANN401 - whatever the settings take
    with pytest.raises(SettingsError) as refused:
        parse({"platform": {"argoCd": settings}})
    return str(refused.value)


@pytest.mark.parametrize("password", ["short-one", "long" * 19])
def test_a_password_that_bcrypt_would_cut_or_anybody_guess_is_refused_unshown(password: str) -> None:
    told = _refused(adminPassword=password)
    assert f"platform.argoCd.adminPassword: found a secret of {len(password)} bytes" in told
    assert "expected 12 to 72" in told
    assert password not in told


def test_there_is_one_way_in() -> None:
    told = _refused(adminPassword="correct horse battery", oidc=OIDC)
    assert "platform.argoCd: found both adminPassword and oidc, expected one of them" in told
    assert "horse" not in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"admins": []}, "platform.argoCd.oidc.admins: found a list of 0, expected"),
        ({"admins": ["a, role:admin"]}, "platform.argoCd.oidc.admins[0]: found 'a, role:admin', expected"),
        ({"issuer": "http://id.example.com"}, "platform.argoCd.oidc.issuer: found 'http://id.example.com'"),
        ({"clientSecret": 8315}, "platform.argoCd.oidc.clientSecret: found a secret, which is not shown"),
    ],
)
def test_what_is_no_provider_is_refused_with_its_key(change: dict[str, Any], told: str) -> None:
    found = _refused(oidc={**OIDC, **change})
    assert told in found
    assert "8315" not in found
