"""A key pair and a node's settings for the tests of the host."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HOST_KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32).decode()


@pytest.fixture
def node(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """A function that gives a valid node as it stands in YAML, with changes."""
    key = tmp_path / "id"
    key.write_text("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n")

    def entry(**changes: object) -> dict[str, Any]:
        valid = {"name": "a1", "host": "192.0.2.10", "privateKeyFile": str(key), "hostKey": HOST_KEY}
        return {name: value for name, value in {**valid, **changes}.items() if value is not None}

    return entry
