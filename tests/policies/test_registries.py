"""Settings refuse for its registry what the policy refuses, and nothing else."""

from typing import Any

import pytest

from a1platform.naming import qualified
from a1platform.platform.policy_set import load
from a1platform.settings.policies import PolicySettings
from tests.policies.gator import Gator

TRUSTED = ["docker.io/a1platform/", "docker.io/library/", "registry:5000/a1/", "ghcr.io/a1/", "localhost/"]
IMAGES = [
    *("nginx:1.27", f"nginx@sha256:{'3f' * 32}", "a1platform/x:1", "docker.io/a1platform/x:1", "other/x:1"),
    *("registry:5000/a1/x:1", "registry/a1/x:1", "ghcr.io/a1/x:1", "ghcr.io/a1-other/x:1", "localhost/x:1"),
    *("localhosts/x:1", "a1.platform/x:1", "index.docker.io/a1platform/x:1", "a1platform.io/a1/x:1"),
]


def _pod(index: int, image: str) -> dict[str, Any]:
    metadata = {"name": f"pod-{index}", "namespace": "a1-orchestrator"}
    spec = {"containers": [{"name": "one", "image": image}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("trusted", [TRUSTED, TRUSTED[:1], []], ids=["several", "one", "none"])
def test_settings_and_cluster_trust_the_same_images(gator: Gator, trusted: list[str]) -> None:
    given = PolicySettings.model_validate({"parameters": {"image-registry": {"registries": trusted}}})
    pods = [_pod(index, image) for index, image in enumerate(IMAGES)]
    found = gator.violations(load().configured(given), pods)
    refused = {one.object for one in found if one.policy == "image-registry"}
    ours = [index for index, image in enumerate(IMAGES) if not qualified(image).startswith(tuple(trusted))]
    assert refused == {f"Pod/pod-{index}" for index in ours}
