"""The folder of the runs that outlive their process: a file each, and a lock (flock) beside it."""

import contextlib
import fcntl
import os
import re
import time
from pathlib import Path
from typing import Any

import orjson

_ID = re.compile(r"[0-9a-f]{24}")


class RunStore:
    """The folder."""

    def __init__(self, folder: Path) -> None:
        """Keep runs in `folder`, which is there."""
        self._running, self._finished = folder / "running", folder / "finished"
        self._locks: dict[str, int] = {}

    def prepare(self) -> None:
        """Make what has to be in the folder; raises OSError where it cannot be written."""
        for one in (self._running, self._finished):
            one.mkdir(mode=0o700, exist_ok=True)

    def claim(self, run_id: str) -> bool:
        """Take a run for this process; false when another one has it."""
        if run_id in self._locks:
            return False
        lock = os.open(self._running / f"{run_id}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._locks[run_id] = lock
        return True

    def release(self, run_id: str) -> None:
        """Let go of a run."""
        if (lock := self._locks.pop(run_id, None)) is not None:
            os.close(lock)

    def write(self, run_id: str, content: bytes, *, over: bool) -> None:
        """Write a run's state, so that it is there after a power cut."""
        target = (self._finished if over else self._running) / f"{run_id}.json"
        partial = target.with_suffix(".partial")
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
        if over:
            self.clear(run_id)

    def clear(self, run_id: str) -> None:
        """Take away what a run that is over has left among those that run."""
        for suffix in (".json", ".partial", ".cancel", ".lock"):
            (self._running / f"{run_id}{suffix}").unlink(missing_ok=True)

    def read(self, run_id: str) -> dict[str, Any] | None:
        """A run's state; None when there is no such run."""
        if not _ID.fullmatch(run_id):
            return None
        for folder in (self._finished, self._running, self._finished):
            with contextlib.suppress(FileNotFoundError):
                found: dict[str, Any] = orjson.loads((folder / f"{run_id}.json").read_bytes())
                return found
        return None

    def unfinished(self) -> list[str]:
        """The runs that are not over."""
        return sorted(path.stem for path in self._running.glob("*.json"))

    def ask_to_cancel(self, run_id: str) -> None:
        """Leave word for the process that has the run."""
        (self._running / f"{run_id}.cancel").touch()

    def to_cancel(self) -> list[str]:
        """The runs that somebody wants cancelled."""
        return [path.stem for path in self._running.glob("*.cancel")]

    def forget(self, seconds: float) -> None:
        """Delete what was over so long ago."""
        for path in self._finished.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > seconds:
                    path.unlink()
