"""A node's settings for the tests of the cluster."""

from pathlib import Path

import pytest

from a1platform.settings.node import NodeSettings
from tests.unit.node.conftest import HOST_KEY


@pytest.fixture
def server(tmp_path: Path) -> NodeSettings:
    key = tmp_path / "id"
    key.write_text("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n")
    return NodeSettings.model_validate(
        {"name": "a1", "host": "192.0.2.10", "privateKeyFile": str(key), "hostKey": HOST_KEY}
    )
