"""Install Debian packages on this machine, so that dpkg is never left in its middle."""

import os
import shutil
import tempfile
from pathlib import Path

from sandbox.build.process import StalledError, run_in_order
from sandbox.fitness import UnfitError
from sandbox.progress import Progress, step

_WAIT_FOR_LOCK = ("-o", "DPkg::Lock::Timeout=180")
"""Shorter than what counts as stalled, so that apt itself says who holds the lock."""
_INSTALL = (
    *("apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", "--no-remove"),
    *_WAIT_FOR_LOCK,
)
_UPDATE = ("apt-get", "update", "--quiet=2", *_WAIT_FOR_LOCK)
_FINISH = ("dpkg", "--configure", "-a")
_JOURNAL = Path("/var/lib/dpkg/updates")
"""Holds a file for each step of a dpkg that did not come to its end."""
_LAST_CHARACTERS = 2000


class AptError(RuntimeError):
    """apt cannot install a package; the text holds its last words."""


def ensure_program(progress: Progress, name: str, *beside: str, path: str | None = None) -> None:
    """Install a program where it is missing and this machine lets us.

    Args:
        progress: Takes a line where it is installed.
        name: Its name, and that of its Debian package.
        beside: Further packages that it needs.
        path: Where it is looked for, by default on `PATH`.

    Raises:
        UnfitError: It is missing, and whoever runs this cannot install it.
        AptError: apt cannot.
    """
    if shutil.which(name, path=path):
        return
    noun = "packages" if beside else "package"
    with step(progress, f"installing the Debian {noun} {' and '.join((name, *beside))}"):
        apt_install(name, *beside)


def apt_install(*packages: str) -> None:
    """Install Debian packages without questions, recommendations or removals.

    What an earlier installation was cut off in is finished first. An interrupt waits for what dpkg is at.

    Raises:
        UnfitError: Nobody but root on Debian can install them.
        AptError: apt cannot; the text holds its last words.
    """
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise UnfitError(
            f"found no {' and '.join(packages)}, which only root on Debian installs: run this as root, or "
            f"`apt-get install {' '.join(packages)}` before"
        )
    with tempfile.TemporaryDirectory(prefix="a1-apt-") as folder:
        log = Path(folder) / "log"
        if _JOURNAL.is_dir() and any(_JOURNAL.iterdir()):
            _run(log, *_FINISH)
        # One unreachable source among many must not stop the installation, which itself tells what it lacks.
        _run(log, *_UPDATE)
        log.unlink()
        if _run(log, *_INSTALL, *packages):
            told = log.read_text(errors="replace").strip()[-_LAST_CHARACTERS:]
            raise AptError(f"apt-get install {' '.join(packages)} failed:\n{told}")


def _run(log: Path, *command: str) -> int:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}
    try:
        return run_in_order(command, log, environment=environment)
    except StalledError as error:
        raise AptError(f"`{' '.join(command)}` was given up: {error}; no package source answers") from None
