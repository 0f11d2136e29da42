"""Give a host back as it was found, from what the host itself keeps."""

import shlex

from a1platform.node.host_change import STATE
from a1platform.node.shell import library
from a1platform.node.upload import RECORDS

COPIES = ".a1-upload"
"""Folder in the login user's home that copies arrive in."""


def render_give_back(user: str, last: str, *, state: str = STATE, records: str = RECORDS) -> str:
    """Render the script that reverts every recorded change and removes every uploaded file.

    After an orderly destroy it finds nothing. It is for runs that failed or were cut: their resources are in
    no state, so nothing else would undo them.

    Args:
        user: The login user.
        last: The group of changes that is reverted after all others.
        state: Folder of the changes' records.
        records: Folder of the uploads' records.
    """
    return f"""{library("upload.sh")}
{library("host_change.sh")}
a1_state={shlex.quote(state)}
a1_uploads={shlex.quote(records)}
a1_last={shlex.quote(last)}
a1_copies=$(getent passwd {user} | cut -d: -f6)/{COPIES}
{library("give_back.sh")}"""
