"""A node's settings for the tests of the cluster."""

from collections.abc import Callable
from pathlib import Path

import pytest

from a1platform.settings.node import NodeSettings
from tests.unit.node.conftest import HOST_KEY


@pytest.fixture
def server(node: Callable[..., NodeSettings]) -> NodeSettings:
    """A cluster of one."""
    return node()


@pytest.fixture
def node(tmp_path: Path) -> Callable[..., NodeSettings]:
    """A function that gives a node's settings, with changes."""
    key = tmp_path / "id"
    key.write_text("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n")

    def settings(**changes: object) -> NodeSettings:
        valid = {"name": "a1", "host": "192.0.2.10", "privateKeyFile": str(key), "hostKey": HOST_KEY}
        return NodeSettings.model_validate({**valid, **changes})

    return settings
