"""The C compiler, which some of the programs need beside Go's."""

from sandbox.apt import ensure_program
from sandbox.progress import Progress


def ensure_compiler(progress: Progress) -> None:
    """Install gcc where it is missing and this machine lets us.

    Args:
        progress: Takes a line where it is installed.

    Raises:
        UnfitError: It is missing, and whoever runs this cannot install it.
        AptError: apt cannot.
    """
    ensure_program(progress, "gcc", "libc6-dev")
