"""The C compiler, which some of the programs need beside Go's."""

import shutil

from sandbox.apt import apt_install
from sandbox.progress import Progress, step

_PACKAGES = ("gcc", "libc6-dev")


def ensure_compiler(progress: Progress) -> None:
    """Install gcc where it is missing and this machine lets us.

    Args:
        progress: Takes a line where it is installed.

    Raises:
        UnfitError: It is missing, and whoever runs this cannot install it.
        AptError: apt cannot.
    """
    if shutil.which("gcc"):
        return
    with step(progress, f"installing the Debian packages {' and '.join(_PACKAGES)}"):
        apt_install(*_PACKAGES)
