"""Who asks: a subject, and the 60-second internal token that carries it between the services.

The MCP specification forbids passing a client's token on (2026-07-28, authorization, "Token Passthrough"),
so the gateway mints its own.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import jwt

from mcp_services.core.files import WatchedFile

LIFETIME_SECONDS = 60
_REUSE_SECONDS = 15
# Clocks of two nodes differ, and a token from the future is refused.
_LEEWAY_SECONDS = 5
_AUDIENCE = "mcp-internal"
_ALGORITHM = "HS256"
_LEAST_KEY_LENGTH = 32
_MOST_CACHED = 4096


class InvalidTokenError(Exception):
    """The internal token is absent, forged or expired."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An authenticated caller.

    Attributes:
        id: Name, unique among those of its kind.
        kind: `user` (JWT), `key` (API key) or `service` (one of ours).
        scopes: What it may do, as its credential says.
        groups: Groups it belongs to.
    """

    id: str
    kind: str
    scopes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What runs and limits belong to: a user may have the name of somebody's key."""
        return self.kind, self.id

    def as_dict(self) -> dict[str, object]:
        """For rules and for JSON."""
        return {"id": self.id, "kind": self.kind, "scopes": list(self.scopes), "groups": list(self.groups)}


def _keys(content: bytes) -> tuple[str, ...]:
    keys = tuple(line.strip() for line in content.decode().splitlines() if line.strip())
    if not keys or min(map(len, keys)) < _LEAST_KEY_LENGTH:
        raise ValueError(f"each internal key needs at least {_LEAST_KEY_LENGTH} characters")
    return keys


class InternalTokens:
    """Mints and verifies internal tokens with a shared key.

    A new key may sign once everybody verifies with it: the copies of the file change at different times, so
    a rotation appends the new key, then puts it first, then drops the old one.
    """

    def __init__(self, key_file: Path, issuer: str) -> None:
        """Use the keys in `key_file`: the first line signs, every line verifies."""
        self._keys: WatchedFile[tuple[str, ...]] = WatchedFile(key_file, _keys, ())
        self._issuer = issuer
        self._minted: dict[Subject, tuple[float, int, str]] = {}
        self._verified: dict[str, tuple[float, int, Subject]] = {}

    def ready(self) -> bool:
        """Whether there is a key."""
        return bool(self._keys.get())

    def mint(self, subject: Subject) -> str:
        """A token for `subject` with at least 45 s to live.

        Raises:
            InvalidTokenError: There is no key.
        """
        keys, now = self._keys.get(), time.time()
        if not keys:
            raise InvalidTokenError("no internal key")
        kept = self._minted.get(subject)
        if kept and kept[0] > now and kept[1] == self._keys.generation:
            return kept[2]
        claims = {
            "iss": self._issuer,
            "aud": _AUDIENCE,
            "sub": subject.id,
            "kind": subject.kind,
            "scopes": list(subject.scopes),
            "groups": list(subject.groups),
            "iat": int(now),
            "exp": int(now) + LIFETIME_SECONDS,
        }
        token = jwt.encode(claims, keys[0], algorithm=_ALGORITHM)
        if len(self._minted) >= _MOST_CACHED:
            self._minted.clear()
        self._minted[subject] = (now + _REUSE_SECONDS, self._keys.generation, token)
        return token

    def verify(self, authorization: str | None) -> Subject:
        """The subject of an `Authorization` header.

        Raises:
            InvalidTokenError: It carries no valid internal token.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise InvalidTokenError("no internal token")
        keys, now = self._keys.get(), time.time()
        kept = self._verified.get(token)
        if kept and kept[0] > now and kept[1] == self._keys.generation:
            return kept[2]
        for key in keys:
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=[_ALGORITHM],
                    audience=_AUDIENCE,
                    leeway=_LEEWAY_SECONDS,
                    options={"require": ["exp", "sub"]},
                )
            except jwt.PyJWTError:
                continue
            subject = Subject(claims["sub"], claims["kind"], tuple(claims["scopes"]), tuple(claims["groups"]))
            if len(self._verified) >= _MOST_CACHED:
                self._verified.clear()
            self._verified[token] = (float(claims["exp"]), self._keys.generation, subject)
            return subject
        raise InvalidTokenError("internal token not valid")
