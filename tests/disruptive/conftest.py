"""The deployed platform, for tests that change it, and put it back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import chosen
from sandbox.cache import Cache, state_folder
from sandbox.pulumi import Stack
from sandbox.toolchain import ensure
from tests.smoke.conftest import Outputs, api, rest

__all__ = ["api", "rest"]


@pytest.fixture(scope="session")
def stack() -> Stack:
    """What `make up` deployed; without a deployment the tests are skipped."""
    configured = chosen.is_configured()
    # Before anything is asked of Pulumi, which may have to be built for that.
    if not chosen.has_state(chosen.stack_name(configured=configured)):
        pytest.skip("nothing is deployed: `make up` first")
    environment = ensure(Cache.default(), lambda _: None).environment(state_folder())
    return chosen.production(environment) if configured else chosen.sandbox(environment)


@pytest.fixture(scope="session")
def told(stack: Stack) -> dict[str, object]:
    """The stack's outputs; never print them."""
    return stack.outputs()


@pytest.fixture(scope="session")
def outputs(told: dict[str, object]) -> Outputs:
    """What the stack tells of what it deployed; without the services the tests are skipped."""
    parts, services = told["parts"], told["services"]
    assert isinstance(parts, dict)
    assert isinstance(services, list)
    if not services:
        pytest.skip(f"mcp-services is {parts['mcp-services']}")
    return Outputs(parts, services, str(told["apiKey"]))


@pytest.fixture(scope="session")
def kubeconfig(told: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of the deployment under test, while the tests run."""
    path = tmp_path_factory.mktemp("disruptive") / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(str(told["kubeconfig"]), encoding="utf-8")
    yield path
    path.unlink()
