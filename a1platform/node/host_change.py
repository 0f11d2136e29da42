"""A change to a host as data, and its rendering to one bash script with the verbs apply, verify and revert.

The script prints `changed<TAB>name` for what apply had to do and, for verify, one line per deviation:
`concern<TAB>expected<TAB>found<TAB>since`, the last empty where nobody knows. Nothing in a change may be
secret: the script is kept on the host and shown by `a1 audit`.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from a1platform.node.shell import library
from a1platform.settings.host_file import END, file_content, file_mode, file_path

STATE = "/var/lib/a1/host-changes"
"""Folder on the host that holds, per change, what was there before the first apply."""

_NAME = re.compile(r"^[a-z][a-z0-9-]{0,62}$")
_PACKAGE = re.compile(r"^[a-z0-9][a-z0-9.+|-]*$")
_OWNER = re.compile(r"^[a-z_][a-z0-9_-]*:[a-z_][a-z0-9_-]*$")
_NOTHING = ":"


@dataclass(frozen=True)
class HostFile:
    """A text file that a change owns as a whole.

    Attributes:
        path: Absolute path.
        content: Text that ends with a line break; never a secret.
        mode: Four octal digits, such as `0644`.
        owner: `user:group`.
        machine: What `uname -m` says where the file belongs; everywhere when empty.

    Raises:
        ValueError: A field breaks one of these rules.
    """

    path: str
    content: str
    mode: str = "0644"
    owner: str = "root:root"
    machine: str = ""

    def __post_init__(self) -> None:
        """Refuse what the script could not carry exactly."""
        file_path(self.path)
        try:
            file_content(self.content)
            file_mode(self.mode)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        if not _OWNER.match(self.owner):
            raise ValueError(f"{self.path}: found owner {self.owner!r}, expected user:group")


@dataclass(frozen=True)
class HostChange:
    """One concern of a host: files and, where files are not enough, pieces of bash.

    Each piece must be idempotent. The library of `scripts/host_change.sh` is at hand (`a1_deviation`,
    `a1_remember`, `a1_fail`).

    Attributes:
        name: Name of the concern, a DNS label.
        reason: Why the host is changed, one line.
        files: Files that are put in place atomically, one by one, before `apply`.
        packages: Debian packages that are installed where they are missing, `a|b` where either will do, and
            verified to be there; never upgraded, and purged by revert where we have installed them and
            nothing else needs them.
        check: Runs before anything is written; the files to be are under `$a1_staged`.
        record: Remembers live state that `revert` needs; runs before each apply, also before missing packages
            are installed; the first value stays.
        apply: Brings the files into force; runs when a file changed, `verify` finds something, or an earlier
            run was cut before it got here.
        confirm: Runs in a connection of its own after apply, to make final what a lock-out would undo.
        verify: Prints a deviation per finding beyond the files; changes nothing.
        before_revert: Runs while the files are still in place.
        revert: Puts live state back once the files are as they were.
        functions: Further bash functions that the pieces above call, by name; `revert` may not call them.
    """

    name: str
    reason: str
    files: tuple[HostFile, ...] = ()
    packages: tuple[str, ...] = ()
    check: str = _NOTHING
    record: str = _NOTHING
    apply: str = _NOTHING
    confirm: str = _NOTHING
    verify: str = _NOTHING
    before_revert: str = _NOTHING
    revert: str = _NOTHING
    functions: str = ""

    def __post_init__(self) -> None:
        """Refuse names that could not be a folder and part of a function name, and files declared twice."""
        if not _NAME.match(self.name):
            raise ValueError(
                f"host change: found name {self.name!r}, expected lower-case letters, digits and dashes"
            )
        paths = [file.path for file in self.files]
        if len(paths) != len(set(paths)):
            raise ValueError(f"host change {self.name}: found a path twice in {paths}, expected each once")
        wrong = [name for name in self.packages if not _PACKAGE.match(name)]
        if wrong:
            raise ValueError(f"host change {self.name}: found {wrong}, expected names of Debian packages")


def render_script(changes: Sequence[HostChange], group: str, *, state: str = STATE, mark: str = "") -> str:
    """Render changes to one script whose first argument is the verb: apply, confirm, verify, drift or revert.

    `drift` prints the marks that this host keeps and what verify prints, and never fails because of it.

    Changes of the same group that an earlier script applied and this one no longer declares are reverted by
    apply, from the revert script that the host itself keeps; so a concern that is switched off is undone by
    `up`.

    Args:
        changes: In the order of their application; reverted in the opposite order.
        group: Owner of these changes on the host, such as `hardening`.
        state: Folder for the records.
        mark: What the host shall remember of this apply once everything is in force, see `drift`.

    Returns:
        Bash text for `bash -s -- <verb>`.

    Raises:
        ValueError: Two changes have the same name.
    """
    names = [change.name for change in changes]
    if len(names) != len(set(names)):
        raise ValueError(f"host changes: found a name twice in {names}, expected each once")
    return _render(changes, group, state, '"${1:?a verb}"', mark)


def _render(changes: Sequence[HostChange], group: str, state: str, verb: str, mark: str = "") -> str:
    pairs = " ".join(f"{change.name}={_prefix(change)}" for change in changes)
    return "\n".join(
        (
            library("host_change.sh"),
            f"a1_state={shlex.quote(state)}",
            f"a1_group={shlex.quote(group)}",
            *([f"a1_mark={shlex.quote(mark)}"] if mark else []),
            *(_functions(change) for change in changes),
            f"a1_run {verb} {pairs}".rstrip(),
            "",
        )
    )


def render_apply(change: HostChange, group: str = "single") -> str:
    """Render the script that applies one change and verifies it."""
    return _with_verb(change, group, "apply")


def render_verify(change: HostChange, group: str = "single") -> str:
    """Render the script that prints a line per deviation and exits with 1 if there is one."""
    return _with_verb(change, group, "verify")


def render_revert(change: HostChange, group: str = "single") -> str:
    """Render the script that restores what was there before the first apply and removes the record."""
    return _with_verb(change, group, "revert")


def _with_verb(change: HostChange, group: str, verb: str) -> str:
    return _render([change], group, STATE, verb)


def _prefix(change: HostChange) -> str:
    return f"a1_change_{change.name.replace('-', '_')}"


def _functions(change: HostChange) -> str:
    prefix = _prefix(change)
    pieces = {
        "files": "\n".join(_file(change, file) for file in change.files) or _NOTHING,
        "packages": _packages(change),
        "check": change.check,
        "record": change.record,
        "apply": change.apply,
        "confirm": change.confirm,
        "verify": change.verify,
        "before_revert": change.before_revert,
        "revert": change.revert,
    }
    rendered = "\n".join(f"{prefix}_{piece}() {{\n{text.strip()}\n}}" for piece, text in pieces.items())
    return f"# {change.name}: {change.reason}\n{change.functions.strip()}\n{rendered}\n"


def _packages(change: HostChange) -> str:
    if not change.packages:
        return _NOTHING
    return f'"$@" {change.name} {shlex.join(change.packages)}'


def _file(change: HostChange, file: HostFile) -> str:
    words = shlex.join((change.name, file.path, file.mode, file.owner))
    put = f"\"$1\" {words} <<'{END}'\n{file.content}{END}"
    return f'if [ "$(uname -m)" = {shlex.quote(file.machine)} ]; then\n{put}\nfi' if file.machine else put
