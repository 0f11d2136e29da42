"""What the policy tests share: the policies as the defaults configure them, and Gatekeeper's evaluator."""

import shutil
from pathlib import Path

import pytest

from a1platform.platform.policy_set import PolicySet, load
from a1platform.settings.policies import PolicySettings
from sandbox.cache import Cache
from tests.policies.gator import Gator


@pytest.fixture(scope="session")
def policies() -> PolicySet:
    """The policies as they are without any configuration."""
    return load().configured(PolicySettings())


@pytest.fixture(scope="session")
def gator(tmp_path_factory: pytest.TempPathFactory) -> Gator:
    """The evaluator that the sandbox built, or the one on PATH; without either the test is skipped."""
    built = sorted(Cache.default().root.glob("programs/*/gator"), key=lambda path: path.stat().st_mtime)
    found = built[-1] if built else shutil.which("gator")
    if found is None:
        pytest.skip("gator is neither in the sandbox's cache nor on PATH")
    return Gator(Path(found), tmp_path_factory.mktemp("gator"))
