"""What is declared by the settings that most tests look at."""

import pytest

from a1platform.platform.component import PlatformArgs
from tests.components.conftest import Declared
from tests.components.platform.program import PARTS, Declare, bundle_of, program, settings_of


@pytest.fixture(scope="session")
def online(declare: Declare) -> dict[str, Declared]:
    """What an empty configuration declares."""
    return declare(program(PlatformArgs()))


@pytest.fixture(scope="session")
def closed(declare: Declare, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Declared]:
    """What is declared with a bundle that lacks nothing but Grafana."""
    folder = tmp_path_factory.mktemp("bundle")
    whole = bundle_of(folder, *PARTS, "monitoring-crds", grafana="on no package registry")
    return declare(program(PlatformArgs(bundle=whole)))


@pytest.fixture(scope="session")
def whole(declare: Declare) -> dict[str, Declared]:
    """What is declared with every part switched on."""
    on = {"enabled": True}
    return declare(program(PlatformArgs(settings_of(tracing=on, imageScanning=on))))
