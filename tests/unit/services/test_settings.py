"""The services' slice of the configuration."""

import pytest
from pydantic import ValidationError

from a1platform.settings.services import ServicesSettings

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    "image",
    [
        "a1platform/mcp-services:0.1.0",
        "registry.example.com:5000/team/mcp:1.2.3",
        f"registry.example.com/mcp@{DIGEST}",
        f"registry.example.com/mcp:1.2.3@{DIGEST}",
    ],
)
def test_an_image_by_tag_or_digest_is_taken(image: str) -> None:
    assert ServicesSettings(image=image).image == image


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("registry.example.com/mcp:latest", "tagged latest"),
        ("registry.example.com/mcp", "neither a tag nor a digest"),
        ("registry.example.com:5000/mcp", "neither a tag nor a digest"),
        ("registry.example.com/mcp@sha256:abc", "no image reference"),
        ("Not An Image", "no image reference"),
    ],
)
def test_an_image_that_does_not_say_what_runs_is_refused_with_the_reason(image: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ServicesSettings(image=image)
    with pytest.raises(ValidationError, match=why):
        ServicesSettings.model_validate({"overrides": {"mcp-gateway": {"image": image}}})


def test_min_above_max_is_refused() -> None:
    with pytest.raises(ValidationError, match="minReplicas 4 is above maxReplicas 3"):
        ServicesSettings(min_replicas=4, max_replicas=3)


def test_argocd_without_a_repository_is_refused_with_both_keys() -> None:
    with pytest.raises(ValidationError, match=r"delivery is argocd, but gitops\.repoUrl"):
        ServicesSettings.model_validate({"delivery": "argocd"})


@pytest.mark.parametrize("url", ["git://10.0.0.1/a1.git", "http://git.example.com/a1.git", "git@host:a1.git"])
def test_argocd_takes_plain_git_and_http_repositories(url: str) -> None:
    settings = ServicesSettings.model_validate({"delivery": "argocd", "gitops": {"repoUrl": url}})
    assert settings.gitops.repo_url == url


def test_a_key_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValidationError, match="replicas"):
        ServicesSettings.model_validate({"replicas": 3})
