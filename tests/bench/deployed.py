"""What `make up` deployed, for figures that are taken of it."""

from pathlib import Path

import kr8s
import pytest

from sandbox import chosen
from sandbox.cache import Cache, state_folder
from sandbox.toolchain import ensure


@pytest.fixture(scope="module")
def outputs() -> dict[str, str]:
    """The outputs of what `make up` deployed; without a deployment the figures are skipped."""
    environment = ensure(Cache.default(), lambda _: None).environment(state_folder())
    stack = chosen.production(environment) if chosen.is_configured() else chosen.sandbox(environment)
    if not stack.exists():
        pytest.skip("nothing is deployed: `make up` first")
    return {key: str(value) for key, value in stack.outputs().items()}


@pytest.fixture(scope="module")
def api(outputs: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> kr8s.Api:
    """A client of the deployed cluster."""
    path: Path = tmp_path_factory.mktemp("bench") / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(outputs["kubeconfig"], encoding="utf-8")
    client: kr8s.Api = kr8s.api(kubeconfig=str(path))
    client.version()
    return client
