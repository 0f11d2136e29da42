"""How a script travels to a host: pure text, used by Pulumi's commands and by the command line alike."""

from functools import cache
from importlib.resources import files


def guarded(script: str) -> str:
    """Return the script such that a connection cut while it is sent runs none of it.

    Bash parses a braced block whole before it runs the first line, and nothing inside can eat the rest of the
    script from standard input.

    Args:
        script: Bash text.

    Returns:
        Text for `bash -s`.
    """
    return f"{{\n{script}\n}} </dev/null\nexit\n"


def runner(user: str) -> str:
    """Return the command that reads a script from standard input as root.

    Args:
        user: The login user; anyone but root goes through `sudo` without a password.
    """
    return "bash -s --" if user == "root" else "sudo -n bash -s --"


@cache
def library(name: str, package: str = "a1platform.node") -> str:
    """Return the text of a shell file.

    Args:
        name: File name below the package's `scripts/`.
        package: The package that it belongs to.
    """
    return files(package).joinpath("scripts", name).read_text(encoding="utf-8")
