"""What `make up` deployed, for figures that are taken of it."""

from pathlib import Path

import kr8s
import pytest

from tests.bench.conftest import Platform


@pytest.fixture(scope="module")
def outputs(platform: Platform) -> dict[str, str]:
    """The outputs of what is deployed."""
    return {key: str(value) for key, value in platform.stack.outputs().items()}


@pytest.fixture(scope="module")
def api(outputs: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> kr8s.Api:
    """A client of the deployed cluster."""
    path: Path = tmp_path_factory.mktemp("bench") / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(outputs["kubeconfig"], encoding="utf-8")
    client: kr8s.Api = kr8s.api(kubeconfig=str(path))
    client.version()
    return client
