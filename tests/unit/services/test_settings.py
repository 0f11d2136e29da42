"""The services' slice of the configuration."""

import pytest
from pydantic import JsonValue, ValidationError

from a1platform.settings.load import SettingsError, parse
from a1platform.settings.services import ServicesSettings

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    "image",
    [
        "a1platform/mcp-services:0.1.0",
        "docker.io/a1platform/mcp-services:0.1.0-0123456789ab",
        f"registry.example.com:5000/team/mcp:1.2.3@{DIGEST}",
        f"registry.example.com/mcp@{DIGEST}",
        f"registry.example.com/mcp:1.2.3@{DIGEST}",
    ],
)
def test_an_image_by_digest_or_of_the_bundle_is_taken(image: str) -> None:
    assert ServicesSettings(image=image).image == image


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("a1platform/mcp-services:latest", "tagged latest"),
        ("a1platform/mcp-services", "neither a tag nor a digest"),
        (f"registry.example.com/mcp:latest@{DIGEST}", "tagged latest"),
        ("registry.example.com/mcp:1.2.3", "without a digest"),
        ("registry.example.com/a1platform/mcp-services:0.1.0", "without a digest"),
        ("registry.example.com:5000/mcp", "without a digest"),
        (f"registry.example.com//mcp@{DIGEST}", "expected an image such as"),
        (f"registry.example.com/mcp/@{DIGEST}", "expected an image such as"),
        ("registry.example.com/mcp@sha256:abc", "expected an image such as"),
        ("Not An Image", "expected an image such as"),
    ],
)
def test_an_image_that_does_not_say_what_runs_is_refused_with_the_reason(image: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ServicesSettings(image=image)
    with pytest.raises(ValidationError, match=why):
        ServicesSettings.model_validate({"overrides": {"mcp-gateway": {"image": image}}})


def test_min_above_max_is_refused() -> None:
    with pytest.raises(ValidationError, match="found 3, expected at least minReplicas, which is 4"):
        ServicesSettings(min_replicas=4, max_replicas=3)


def test_argocd_without_a_repository_is_refused_with_both_keys() -> None:
    with pytest.raises(ValidationError, match=r"found no repoUrl, expected .*, as delivery is argocd"):
        ServicesSettings.model_validate({"delivery": "argocd"})


@pytest.mark.parametrize("url", ["git://10.0.0.1/a1.git", "http://git.example.com/a1.git", "git@host:a1.git"])
def test_argocd_takes_plain_git_and_http_repositories(url: str) -> None:
    settings = ServicesSettings.model_validate({"delivery": "argocd", "gitops": {"repoUrl": url}})
    assert settings.gitops.repo_url == url


@pytest.mark.parametrize("path", ["manifests", "m", "sites/a1/manifests"])
def test_a_folder_of_the_repository_is_taken(path: str) -> None:
    assert ServicesSettings.model_validate({"gitops": {"path": path}}).gitops.path == path


@pytest.mark.parametrize(
    "path", ["docs/..", "..", ".", "a/../..", "a/./b", "a//b", "/etc", "a/", "", ".git", "a/.git/hooks"]
)
def test_a_path_that_leaves_its_folder_or_is_hidden_is_refused(path: str) -> None:
    with pytest.raises(SettingsError, match=r"services\.gitops\.path: found .*, expected .*manifests"):
        parse({"services": {"gitops": {"path": path}}})


@pytest.mark.parametrize(
    "url",
    [
        "https://of-mine@git.example.com/a1.git",
        "HTTPS://of-mine@git.example.com/a1.git",
        "http://of-mine:@git.example.com/a1.git",
        "git://of-mine@git.example.com/a1.git",
        "ssh://git:of-mine@git.example.com/a1.git",
    ],
)
def test_a_url_that_could_hold_a_token_is_refused_unshown_and_says_where_it_goes(url: str) -> None:
    with pytest.raises(
        SettingsError, match=r"expected .* in credentials\.username and \.password"
    ) as refused:
        parse({"services": {"gitops": {"repoUrl": url}}})
    assert "of-mine" not in str(refused.value)


def test_a_key_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValidationError, match="replicas"):
        ServicesSettings.model_validate({"replicas": 3})


KEY, TOKEN = {"sshPrivateKey": "of-mine"}, {"password": "of-mine"}


@pytest.mark.parametrize(
    ("url", "credentials"),
    [
        ("https://git.example.com/a1.git", TOKEN),
        ("https://git.example.com/a1.git", {"username": "deploy", **TOKEN}),
        ("ssh://git@git.example.com/a1.git", KEY),
        ("git@git.example.com:a1.git", KEY),
    ],
)
def test_a_private_repository_is_read_by_what_goes_with_its_url(
    url: str, credentials: dict[str, str]
) -> None:
    gitops = {"repoUrl": url, "credentials": credentials}
    settings = ServicesSettings.model_validate({"gitops": gitops})
    assert settings.gitops.credentials is not None
    assert "of-mine" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "credentials", "why"),
    [
        ("https://git.example.com/a1.git", KEY, "found sshPrivateKey, expected password"),
        ("git@git.example.com:a1.git", TOKEN, "found password, expected sshPrivateKey"),
        ("git://git.example.com/a1.git", TOKEN, "expected a repoUrl over http"),
        (None, TOKEN, "expected a repoUrl over http"),
        ("https://git.example.com/a1.git", {}, "found neither, expected password or sshPrivateKey"),
        ("https://git.example.com/a1.git", {**KEY, **TOKEN}, "found both, expected password or"),
        (
            "https://me:of-mine@git.example.com/a1.git",
            TOKEN,
            "a URL with a user or password, which is not sh",
        ),
    ],
)
def test_credentials_that_open_nothing_are_refused_and_never_shown(
    url: str | None, credentials: dict[str, str], why: str
) -> None:
    with pytest.raises(SettingsError, match=why) as refused:
        parse({"services": {"gitops": {"repoUrl": url, "credentials": dict(credentials)}}})
    assert "a1platform:services.gitops" in str(refused.value)
    assert "of-mine" not in str(refused.value)


def test_a_secret_at_the_wrong_key_is_not_shown() -> None:
    with pytest.raises(SettingsError, match="found a secret, which is not shown") as refused:
        parse({"services": {"gitops": {"credentials": "of-mine"}}})
    assert "of-mine" not in str(refused.value)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ({"ports": [443]}, "found neither, expected cidr or namespace"),
        ({"cidr": "192.0.2.0/24", "namespace": "tools", "ports": [443]}, "found both, expected cidr or n"),
        ({"cidr": "id.example.org", "ports": [443]}, r"cidr: found .*, expected an address range"),
        ({"cidr": "192.0.2.0/24", "ports": []}, r"ports: "),
        ({"cidr": "192.0.2.0/24"}, r"ports: "),
        ({"namespace": "tools", "ports": [0]}, r"ports\S*0\S*: found 0"),
        ({"namespace": "tools", "ports": [True]}, r"ports\S*0\S*: found true"),
        ({"namespace": "Tools", "ports": [443]}, r"namespace: found 'Tools', expected a text such as"),
    ],
)
def test_a_way_out_that_no_policy_could_open_is_refused_with_its_key(
    place: dict[str, JsonValue], why: str
) -> None:
    with pytest.raises(SettingsError, match=why) as refused:
        parse({"services": {"overrides": {"mcp-gateway": {"egress": [place]}}}})
    assert "services.overrides.mcp-gateway.egress" in str(refused.value)


@pytest.mark.parametrize(
    ("services", "key"),
    [
        ({"auth": {"issuer": "id.example.org"}}, "auth.issuer"),
        ({"auth": {"audience": "two words"}}, "auth.audience"),
        ({"auth": {"jwksUrl": "https://me:of-mine@id.example.org/certs"}}, "auth.jwksUrl"),
        ({"runs": {"claim": "My_Claim"}}, "runs.claim"),
        ({"runs": {"keepSeconds": 1}}, "runs.keepSeconds"),
    ],
)
def test_what_cannot_be_an_issuer_or_a_claim_is_refused_with_its_key(
    services: dict[str, JsonValue], key: str
) -> None:
    with pytest.raises(SettingsError, match=rf"a1platform:services\.{key}: found"):
        parse({"services": services})
