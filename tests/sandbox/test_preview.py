"""`make preview` where nothing is deployed: by Pulumi itself, without a node, a key or a secret."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from a1platform.naming import PRODUCTION
from a1platform.platform.selection import NAMES, OPTIONAL
from sandbox import chosen, up
from sandbox.cache import Cache
from tests.unit.node.conftest import HOST_KEY

pytestmark = pytest.mark.sandbox

ROOT = Path(__file__).parents[2]
_COMPONENTS = ("node:HardenedNode", "cluster:K3sCluster", "platform:Platform", "services:McpServices")


@pytest.fixture(autouse=True)
def _nothing_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No state of any stack, no cluster to talk to, and no agent with keys."""
    monkeypatch.setenv("A1_STATE", str(tmp_path / "state"))
    for name in ("KUBECONFIG", "SSH_AUTH_SOCK", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_BACKEND_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_a_preview_shows_all_that_would_be_made_without_any_machine(cache: Cache) -> None:
    environment = {**os.environ, "A1_SANDBOX": "1", "A1_CACHE": str(cache.root)}
    command = [sys.executable, "-m", "sandbox", "preview"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for component in _COMPONENTS[2:]:
        assert f"a1platform:{component}" in done.stdout
    for part in set(NAMES) - set(OPTIONAL):
        assert part in done.stdout
    assert not chosen.has_state(chosen.SANDBOX)


def test_a_preview_of_configured_machines_needs_neither_their_keys_nor_an_answer(
    cache: Cache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # TEST-NET-1 (RFC 5737): nobody answers there.
    node = {"name": "a1", "host": "192.0.2.10", "privateKeyFile": "/nowhere/id", "hostKey": HOST_KEY}
    secret = {"secure": "v1:of-the-operator"}
    config = {"a1platform:nodes": [node], "a1platform:services": {"publicUrl": secret}}
    (tmp_path / "Pulumi.a1.yaml").write_text(yaml.safe_dump({"config": config}))
    monkeypatch.delenv("A1_SANDBOX", raising=False)
    monkeypatch.setattr(chosen, "REPOSITORY", tmp_path)
    up.preview(cache, lambda _: None)
    shown = capfd.readouterr().out
    for component in _COMPONENTS:
        assert f"a1platform:{component}" in shown
    assert re.search(r"\+ \d+ to create", shown)
    assert not chosen.has_state(PRODUCTION)
