"""`make dev`: all roles here, and anew on each change of their code."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import mcp_services
import pytest
from mcp_services.dev import Stack, free_base_port

_ROLE = "mcp-tracehub"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the code, which may be broken."""
    copied = tmp_path / "sources" / "mcp_services"
    shutil.copytree(Path(mcp_services.__file__).parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    return copied


@pytest.fixture
def session(sources: Path, tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", Stack]]:
    """A session that reloads, with one role of the copy."""
    part = tmp_path / "part.json"
    part.write_text(json.dumps({"roles": [_ROLE], "commands": {}, "elsewhere": {}, "connectTo": {}}))
    stack = Stack(tmp_path / "state", free_base_port())
    command = [sys.executable, "-m", "mcp_services.dev", "--reload", "--folder", str(stack.folder)]
    command += ["--base-port", str(stack.base_port), "--part", str(part)]
    environment = {**os.environ, "PYTHONPATH": str(sources.parent)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, stack
        finally:
            process.terminate()


def await_line(process: "subprocess.Popen[str]", wanted: str) -> None:
    """Return once the session tells such a line."""
    told = []
    assert process.stdout
    for line in process.stdout:
        told.append(line)
        if wanted in line:
            return
    raise AssertionError("".join(told))


def test_a_broken_save_is_told_and_the_next_one_starts_the_roles_again(
    session: tuple["subprocess.Popen[str]", Stack], sources: Path
) -> None:
    process, stack = session
    await_line(process, "Ctrl-C")
    module = sources / "tracehub" / "app.py"
    whole = module.read_text()
    module.write_text(f"{whole}\ndef (\n")
    await_line(process, "SyntaxError")
    await_line(process, "not started")
    # The lock of an editor: a link to nothing.
    (sources / "tracehub" / ".#app.py").symlink_to("nobody@nowhere")
    module.write_text(f"{whole}\n# mended\n")
    await_line(process, "restarted")
    assert httpx2.get(f"{stack.operations_url(_ROLE)}/ready").status_code == 200
