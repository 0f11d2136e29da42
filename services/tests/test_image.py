"""The image's own files serve the chain."""

from pathlib import Path

import pytest
from mcp_services.dev import Stack, free_base_port
from mcp_services.testing import await_servers

from sandbox.cache import Cache
from sandbox.progress import to_terminal
from sandbox.recipes.services import python_of, services_rootfs

pytestmark = pytest.mark.sandbox


def test_every_role_runs_from_the_files_of_the_image_and_a_call_gets_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = services_rootfs(Cache.default(), to_terminal).folder
    monkeypatch.setenv("PYTHONHOME", str(root / "usr"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    command = (*python_of(root), "-m", "mcp_services")
    stack = Stack(tmp_path, base_port=free_base_port(), command=command, python_path=root / "app")
    try:
        stack.start_all()
        assert await_servers(stack) == {"total": 10.0, "text": "the total is 10"}
    finally:
        stack.stop_all()


def test_the_image_has_no_shell_and_nothing_that_its_user_may_write() -> None:
    root = services_rootfs(Cache.default(), to_terminal).folder
    assert not [
        name for name in ("sh", "bash", "dash", "apt", "dpkg") if (root / "usr" / "bin" / name).exists()
    ]
    writable = [
        path
        for path in root.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o022 and path.name != "tmp"
    ]
    assert writable == []
