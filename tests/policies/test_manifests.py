"""No policy refuses what the platform itself delivers."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from a1platform.platform.policies import PolicySet
from tests.policies.gator import Gator

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"


def _objects() -> list[dict[str, Any]]:
    paths = sorted(MANIFESTS.rglob("*.yaml"))
    objects = [entry for path in paths for entry in yaml.safe_load_all(path.read_text()) if entry]
    return [entry for entry in objects if not entry["apiVersion"].split("/")[0].endswith("gatekeeper.sh")]


def test_every_rendered_manifest_passes_every_policy(gator: Gator, policies: PolicySet) -> None:
    objects = _objects()
    if not objects:
        pytest.skip("manifests/ holds no rendered manifest yet")
    assert gator.violations(policies, objects) == []
