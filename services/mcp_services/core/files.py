"""Secret files that are read again when they change, so that a rotation needs no restart."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_SECONDS = 1.0


class WatchedFile(Generic[T]):
    """A parsed file. A version that does not parse is reported and the one before it stays in use."""

    def __init__(self, path: Path, parse: Callable[[bytes], T], absent: T) -> None:
        """Watch `path`; its value is `absent` while there is no such file."""
        self._path = path
        self._parse = parse
        self._absent = absent
        self._value = absent
        self._seen: tuple[int, int, int] | None = None
        self._looked = float("-inf")
        self.generation = 0

    def get(self) -> T:
        """The current value; the file is looked at once a second at most."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY_SECONDS:
            self._looked = now
            self._look()
        return self._value

    def _look(self) -> None:
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        except OSError:
            if self._seen is not None:
                self._seen, self._value = None, self._absent
                self.generation += 1
            return
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._value = self._parse(self._path.read_bytes())
        except (ValueError, KeyError, TypeError, OSError) as error:
            # The text of the error may quote the secret.
            _LOG.error(
                "unreadable file kept out", extra={"file": str(self._path), "error": type(error).__name__}
            )
            return
        self.generation += 1
