"""Files that are copied to a host: verified, put in place by one rename each, and removed again."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from a1platform.node.shell import library

RECORDS = "/var/lib/a1/uploads"
"""Folder on the host that holds, per upload, what was put where."""


@dataclass(frozen=True)
class Upload:
    """A file that is copied to a node.

    Attributes:
        source: Path below the uploaded folder, or the name of the uploaded file.
        sha256: Digest that the file must have when it has arrived.
        destination: Absolute path on the node, without white space.
        mode: Four octal digits.
    """

    source: str
    sha256: str
    destination: str
    mode: str = "0644"


def render_install(  # noqa: PLR0913 - each is a choice of the caller
    name: str,
    staged: str,
    uploads: Sequence[Upload],
    user: str,
    records: str = RECORDS,
    *,
    mark: str = "",
) -> str:
    """Render the script that verifies copied files and moves them to their places, or removes them again.

    Its first argument is the verb, `apply` or `revert`. What an earlier upload of the same name has put and
    this one does not is removed by `apply`.

    Args:
        name: Name of the record on the host.
        staged: Folder of the copies, below the login user's home.
        uploads: What goes where.
        user: The login user.
        records: Folder for the record.
        mark: What the host shall remember of this upload once everything is in place.
    """
    rows = "".join(
        f"{upload.sha256} {upload.mode} {upload.destination} {upload.source}\n" for upload in uploads
    )
    return f"""{library("upload.sh")}
a1_uploads={shlex.quote(records)}
a1_mark={shlex.quote(mark)}
case "${{1:?a verb}}" in
apply)
    a1_upload_apply {name} "$(getent passwd {user} | cut -d: -f6)/{staged}" <<'A1_TABLE'
{rows}A1_TABLE
    ;;
revert) a1_upload_revert {name} ;;
esac
"""
