"""The gateway to clients that nobody of this project wrote: the TypeScript SDK's, of either generation.

They are skipped where Node.js or the npm registry is missing; with `A1_FOREIGN`, as in CI, they fail.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest
from mcp_services.dev import Stack

pytest_plugins = ["mcp_services.testing"]
# Not among the fast tests: the packages come from the npm registry.
pytestmark = pytest.mark.sandbox

FOREIGN = Path(__file__).parent / "foreign"
_LEAST_NODE = 20


def missing(what: str) -> NoReturn:
    """Skip for want of that, or fail where it was to be there."""
    if os.environ.get("A1_FOREIGN"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script, beside the locked packages that it needs."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        missing("no Node.js with npm on this machine")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < _LEAST_NODE:
        missing(f"Node.js is {version}, and the SDK needs {_LEAST_NODE}")
    folder = tmp_path_factory.mktemp("foreign") / "client"
    shutil.copytree(FOREIGN, folder)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run([npm, "ci", *options], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and any(word in done.stderr for word in ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN")):
        missing("the npm registry is not reached")
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "client.mjs"


@pytest.mark.parametrize(
    ("mode", "version"),
    [
        ("2026-07-28", "2026-07-28"),
        ("auto", "2026-07-28"),
        ("legacy", "2025-11-25"),
        ("v1", "2025-11-25"),
    ],
)
def test_the_typescript_sdk_works_through_the_whole_chain(
    client: Path, stack: Stack, mode: str, version: str
) -> None:
    command = ["node", str(client), f"{stack.url('mcp-gateway')}/mcp", mode]
    done = subprocess.run(
        command,
        env={**os.environ, "API_KEY": stack.api_key},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["version"] == version
    assert "example__add" in seen["tools"]
    assert "example__fail" not in seen["tools"]
    assert seen["sum"] == {"result": 42}
    assert "default-deny" in seen["refusal"]
    assert seen["output"] == {"total": 10, "text": "the total is 10"}
    assert seen["progress"][-1:] == [4]
