"""Whether a sandbox can be made on this machine at all, told apart from one that fails to be made."""

import re
from pathlib import Path

_MADE_ON = ("debian", "12")
_LINE = re.compile(r'^(\w+)="?([^"\n]*)"?$', re.MULTILINE)


class UnfitError(RuntimeError):
    """This machine is not one that a sandbox can be made on; the text says what it lacks and what to do."""


def require_debian(release: Path = Path("/etc/os-release")) -> None:
    """Return on the distribution whose packages nodes and images are made from.

    Args:
        release: What the machine says of itself.

    Raises:
        UnfitError: It is another one.
    """
    told = dict(_LINE.findall(release.read_text(encoding="utf-8"))) if release.exists() else {}
    if (told.get("ID"), told.get("VERSION_ID")) != _MADE_ON:
        found = told.get("PRETTY_NAME", "no /etc/os-release")
        raise UnfitError(f"found {found}, expected Debian 12: nodes and images are made from its packages")
