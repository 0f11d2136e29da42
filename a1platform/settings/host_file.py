"""What a text file on a host may be: the one rule for those of the program and those of a site."""

import posixpath
import re

from a1platform.settings.shown import shown

END = "A1_END_OF_FILE"
"""Ends a file within a script that carries it."""

_MODE = re.compile(r"0[0-7]{3}")
_OWN = frozenset(
    {
        "/etc/audit/auditd.conf",
        "/etc/issue",
        "/etc/issue.net",
        "/etc/rancher/k3s/admission.yaml",
        "/etc/rancher/k3s/audit.yaml",
        "/etc/rancher/k3s/config.yaml",
        "/etc/rancher/k3s/k3s.yaml",
        "/etc/rancher/k3s/token",
        "/etc/systemd/system/k3s.service",
        "/usr/local/bin/k3s",
        "/var/lib/rancher/k3s/server/manifests/a1-default-accounts.yaml",
    }
)
# Records, and folders whose files would override ours (`a1 audit` calls them drop-ins).
_OWN_FOLDERS = (
    "/etc/a1/",
    "/etc/rancher/k3s/config.yaml.d/",
    "/etc/systemd/system/k3s.service.d/",
    "/var/lib/a1/",
    "/var/lib/rancher/k3s/agent/images/",
)
_OWN_NAME = re.compile(r"/(\d+-?a1|a1)[-.][^/]*")
"""How the files of the hardening are called, in folders of the distribution."""


def file_path(path: str) -> str:
    """Return a path that a script carries exactly.

    Args:
        path: The path.

    Raises:
        ValueError: It is not absolute, not in its shortest spelling, or holds what a script would change.
    """
    # `//` at the beginning is a spelling of its own for POSIX, which normpath keeps.
    shortest = path.startswith("/") and not path.startswith("//") and posixpath.normpath(path) == path != "/"
    if not shortest or "%" in path or not path.isprintable():
        raise ValueError(
            f"found {shown(path)}, expected an absolute path without %, tab or line break, and without "
            "//, /./ or /../"
        )
    return path


def file_content(content: str) -> str:
    """Return a text that a script carries exactly.

    Args:
        content: The text; an error shows nothing of it.

    Raises:
        ValueError: Its last line does not end, or it holds what ends it in the script.
    """
    if not content.endswith("\n"):
        raise ValueError("found a text without a line break at its end, expected one (`content: |` in YAML)")
    if END in content or "\0" in content:
        raise ValueError(f"found {END} or a zero byte in the text, expected neither")
    return content


def file_mode(mode: str) -> str:
    """Return permissions.

    Args:
        mode: Four octal digits, the first of them 0.

    Raises:
        ValueError: They are something else.
    """
    if _MODE.fullmatch(mode) is None:
        raise ValueError(f"found {shown(mode)}, expected four octal digits such as '0644'")
    return mode


def foreign_path(path: str) -> str:
    """Return the path of a file that the program itself does not write.

    Args:
        path: A path in its shortest spelling.

    Raises:
        ValueError: The program writes it, or it would override what the program writes.
    """
    if path in _OWN or path.startswith(_OWN_FOLDERS) or _OWN_NAME.search(path):
        raise ValueError(f"found {shown(path)}, which the program writes itself, expected another path")
    return path
