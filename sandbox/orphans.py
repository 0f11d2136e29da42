"""Plugins that outlive a killed `pulumi`: they look for it every five minutes, and work on meanwhile."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_PATIENCE_SECONDS = 5
_PROC = Path("/proc")


def end_orphans(backend: str) -> None:
    """End plugins of a backend's runs whose `pulumi` is gone, so that no two runs act on a host at once.

    Args:
        backend: The backend's address as in PULUMI_BACKEND_URL.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _PATIENCE_SECONDS
        # Again and again: the end of one leaves those that it has started without a parent.
        while (left := list(_orphans(backend))) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(0.1)


def _orphans(backend: str) -> Iterator[int]:
    mark = f"PULUMI_BACKEND_URL={backend}".encode()
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        # One that ends meanwhile, or belongs to somebody else.
        with contextlib.suppress(OSError):
            if _is_plugin(folder) and mark in (folder / "environ").read_bytes().split(b"\0"):
                parent = _parent(folder)
                if not parent.name.startswith("pulumi"):
                    yield int(folder.name)


def _is_plugin(folder: Path) -> bool:
    words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    return any(Path(word).name.startswith(("pulumi-resource-", "pulumi-language-")) for word in words[:2])


def _parent(folder: Path) -> Path:
    """Return the path of the program that a process was started by; one that nobody knows has no name."""
    stat = (folder / "stat").read_text().rpartition(")")[2].split()
    with contextlib.suppress(OSError):
        return (_PROC / stat[1] / "exe").readlink()
    return Path()
