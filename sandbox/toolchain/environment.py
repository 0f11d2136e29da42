"""What `pulumi` runs with: the toolchain first on PATH, a backend in files, a passphrase made once."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_VENV = Path(__file__).resolve().parents[2] / ".venv" / "bin"
# Each would change unseen what a run does: a state lost in a crash, another passphrase or backend than ours,
# an SSH agent that the command plugin insists on although the keys come from the settings, and a program that
# is compiled anew in every run.
_REMOVED = (
    "PULUMI_SKIP_CHECKPOINTS",
    "PULUMI_CONFIG_PASSPHRASE",
    "PULUMI_ACCESS_TOKEN",
    "PULUMI_STACK",
    "SSH_AUTH_SOCK",
    "PYTHONDONTWRITEBYTECODE",
)


class StateError(RuntimeError):
    """The state folder cannot be used; the text says what is missing and what to do."""


@dataclass(frozen=True)
class Installed:
    """A part that is there.

    Attributes:
        name: What a person calls it.
        version: Its version.
        folder: The folder that holds its files.
        origin: Where it came from, in words.
        stand_in: Whether it only stands in for the official one.
    """

    name: str
    version: str
    folder: Path
    origin: str
    stand_in: bool

    def __str__(self) -> str:
        """Return the one line about it."""
        return f"{self.name} {self.version}: {self.origin}"


@dataclass(frozen=True)
class Toolchain:
    """The Pulumi toolchain, whole.

    Attributes:
        parts: What it consists of.
        bin: Folder for PATH, with `pulumi` in it.
        home: Pulumi's own folder, with the plugins in it.
    """

    parts: tuple[Installed, ...]
    bin: Path
    home: Path

    @property
    def pulumi(self) -> Path:
        """The program `pulumi`."""
        return self.bin / "pulumi"

    def environment(self, state: Path, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a `pulumi` run.

        Args:
            state: Where stacks and the passphrase are kept; both are made where they are missing.
            inherited: The environment that it starts from, by default this process's.

        Raises:
            StateError: There are stacks, and the passphrase that opens their secrets is gone.
        """
        base = dict(os.environ if inherited is None else inherited)
        stacks = state / "stacks"
        passphrase = _passphrase(state / "passphrase", stacks)
        stacks.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = (_VENV, self.bin, base.get("PATH", os.defpath))
        return {
            **{name: value for name, value in base.items() if name not in _REMOVED},
            "PATH": os.pathsep.join(map(str, path)),
            "PULUMI_HOME": str(self.home),
            "PULUMI_BACKEND_URL": f"file://{stacks.resolve()}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase.resolve()),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
        }


def _passphrase(file: Path, stacks: Path) -> Path:
    if file.exists():
        return file
    if stacks.is_dir() and any(stacks.rglob("*.json")):
        raise StateError(
            f"found stacks in {stacks} but no passphrase in {file}: put it back, "
            f"or move {stacks} away to start anew"
        )
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(secrets.token_urlsafe(32))
    try:
        os.link(made, file)  # unlike a rename, this never replaces what another process has just made
    except FileExistsError:
        pass
    finally:
        made.unlink()
    return file
