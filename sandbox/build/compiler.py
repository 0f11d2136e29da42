"""The C compiler, which some of the programs need beside Go's."""

import os
import shutil

from a1platform.bundle import BundleError
from sandbox.engine import EngineError, apt_install
from sandbox.progress import Progress, step

_PACKAGES = ("gcc", "libc6-dev")


def ensure_compiler(progress: Progress) -> None:
    """Install gcc where it is missing and this machine lets us.

    Args:
        progress: Takes a line where it is installed.

    Raises:
        BundleError: It is missing and cannot be installed.
    """
    if shutil.which("gcc"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise BundleError(f"found no C compiler, expected gcc: apt-get install {' '.join(_PACKAGES)}")
    with step(progress, f"installing the Debian packages {' and '.join(_PACKAGES)}"):
        try:
            apt_install(*_PACKAGES)
        except EngineError as error:
            raise BundleError(str(error)) from error
