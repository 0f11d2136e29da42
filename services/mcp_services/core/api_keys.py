"""API keys: random and long, known by their SHA-256 only."""

import hashlib
from pathlib import Path
from typing import Any

import orjson

from mcp_services.core.files import WatchedFile
from mcp_services.core.identity import Subject


def bearer(authorization: str | None) -> str:
    """The token of an `Authorization` header; empty without one."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class ApiKeys:
    """The keys of a file, which may change at any time."""

    def __init__(self, file: Path) -> None:
        """Know the keys in `file`."""
        self._keys: WatchedFile[dict[str, Subject]] = WatchedFile(file, _parse, {})

    def any(self) -> bool:
        """Whether there is a key."""
        return bool(self._keys.get())

    def subject(self, key: str) -> Subject | None:
        """Whose key it is. One round of SHA-256 suffices, and a look-up by digest leaks no timing."""
        return self._keys.get().get(hashlib.sha256(key.encode()).hexdigest())


def _parse(content: bytes) -> dict[str, Subject]:
    entries: list[dict[str, Any]] = orjson.loads(content)
    return {
        one["sha256"].lower(): Subject(
            one["name"], "key", tuple(one.get("scopes", ())), tuple(one.get("groups", ()))
        )
        for one in entries
    }
