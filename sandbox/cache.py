"""Where the sandbox keeps what it made: one cache folder and one state folder, both outside the clone."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cache:
    """The cache folder; everything in it can be deleted and is made again.

    Attributes:
        root: The folder, by default `~/.cache/a1platform`.
    """

    root: Path

    @staticmethod
    def default() -> "Cache":
        """Return the cache at `$A1_CACHE`, or below the user's cache folder."""
        given = os.environ.get("A1_CACHE")
        # Absolute, as the engine and Pulumi run in other folders.
        return Cache(Path(given).expanduser().absolute() if given else Path.home() / ".cache" / "a1platform")

    def folder(self, *parts: str) -> Path:
        """Return a folder below the root, made if it is missing."""
        path = self.root.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    @contextlib.contextmanager
    def lock(self, name: str, *, shared: bool = False) -> Iterator[None]:
        """Hold a lock of this name; others wait, unless all share it, and a killed process lets go."""
        with (self.folder("locks") / name).open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def lock_if_free(self, name: str) -> Iterator[bool]:
        """Hold a lock of this name where nobody else does, and tell whether it is held; waits for nobody."""
        with (self.folder("locks") / name).open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    @contextlib.contextmanager
    def making(self, target: Path) -> Iterator[Path]:
        """Give a folder to fill, which becomes `target` in one step when the block ends well.

        Args:
            target: Where the finished folder stands; what stood there is replaced.

        Yields:
            An empty folder on the same file system.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            yield work
            work.chmod(0o755)
            if target.exists():
                shutil.rmtree(target)
            work.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def state_folder() -> Path:
    """Return the folder of what must not be lost: stacks, keys, passphrases (`$A1_STATE` overrides it)."""
    given = os.environ.get("A1_STATE")
    path = Path(given).expanduser().absolute() if given else Path.home() / ".local" / "state" / "a1platform"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
