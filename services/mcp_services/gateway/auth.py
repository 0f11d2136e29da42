"""Authenticates a client: a JWT whose key is in the JWKS, or an API key whose SHA-256 is known."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import orjson

from mcp_services.core.api_keys import ApiKeys, bearer
from mcp_services.core.files import WatchedFile
from mcp_services.core.identity import Subject

_LOG = logging.getLogger(__name__)
# Symmetric algorithms are absent on purpose: a public key must never serve as an HMAC secret.
_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
_DOTS_OF_A_JWT = 2
_MOST_VERIFIED = 4096
_REFRESH_SECONDS, _UNKNOWN_KEY_SECONDS = 300.0, 10.0


class UnauthenticatedError(Exception):
    """No valid credential. `reason` is a metric label: one of a fixed few."""

    def __init__(self, reason: str) -> None:
        """Refuse for `reason`."""
        super().__init__(reason)
        self.reason = reason


def _jwks(content: bytes) -> dict[str, jwt.PyJWK]:
    listed = orjson.loads(content)
    if listed["keys"] == []:
        # Only API keys are used; the library takes an empty set for a mistake.
        return {}
    try:
        return {key.key_id or "": key for key in jwt.PyJWKSet.from_dict(listed).keys}
    except jwt.PyJWTError as error:
        raise ValueError("not a usable set of keys") from error


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature was found good: until when, by which key, and whose it is."""

    until: float
    key_id: str
    key: jwt.PyJWK
    subject: Subject


def _subject(claims: Mapping[str, Any]) -> Subject:
    scope, groups = claims.get("scope") or claims.get("scp"), claims.get("groups")
    scopes = scope.split() if isinstance(scope, str) else scope if isinstance(scope, list) else ()
    return Subject(
        str(claims["sub"]),
        "user",
        tuple(map(str, scopes)),
        tuple(map(str, groups)) if isinstance(groups, list) else (),
    )


class Authenticator:
    """Knows the keys."""

    def __init__(
        self, *, jwks_file: Path, jwks_url: str, api_keys_file: Path, audience: str, issuer: str
    ) -> None:
        """Accept tokens for `audience`, of `issuer` unless that is empty."""
        self._file: WatchedFile[dict[str, jwt.PyJWK]] = WatchedFile(jwks_file, _jwks, {})
        self._api_keys = ApiKeys(api_keys_file)
        self._url, self._audience, self._issuer = jwks_url, audience, issuer
        self._fetched: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()
        self._verified: dict[bytes, _Verified] = {}

    def ready(self) -> bool:
        """Whether any credential could be accepted."""
        return bool(self._api_keys.any() or self._file.get() or self._fetched or self._url)

    async def authenticate(
        self, authorization: str | None, api_key: str | None, client: aiohttp.ClientSession
    ) -> Subject:
        """The subject of a request's credential.

        Raises:
            UnauthenticatedError: There is none, or it is not valid.
        """
        token = bearer(authorization)
        if not token and not api_key:
            raise UnauthenticatedError("missing")
        if token.count(".") == _DOTS_OF_A_JWT:
            return await self._by_jwt(token, client)
        found = self._api_keys.subject(api_key or token)
        if found is None:
            raise UnauthenticatedError("unknown_key")
        return found

    async def _by_jwt(self, token: str, client: aiohttp.ClientSession) -> Subject:
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        try:
            key_id = known.key_id if known else jwt.get_unverified_header(token).get("kid", "")
            key = await self._key(key_id, client)
            # Keys that are read anew are other objects, so what an older set vouched for is verified again.
            if known and known.key is key and known.until > time.time():
                return known.subject
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer or None,
                leeway=5,
                options={"require": ["exp", "sub", "aud"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise UnauthenticatedError("expired") from error
        except jwt.InvalidAudienceError as error:
            raise UnauthenticatedError("audience") from error
        except jwt.InvalidIssuerError as error:
            raise UnauthenticatedError("issuer") from error
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise UnauthenticatedError("invalid") from error
        subject = _subject(claims)
        if len(self._verified) >= _MOST_VERIFIED:
            self._verified.clear()
        self._verified[digest] = _Verified(float(claims["exp"]), key_id, key, subject)
        return subject

    async def _key(self, key_id: str, client: aiohttp.ClientSession) -> jwt.PyJWK:
        known = self._file.get()
        if key_id in known:
            return known[key_id]
        if self._url:
            age = time.monotonic() - self._fetched_at
            if age > _REFRESH_SECONDS or (key_id not in self._fetched and age > _UNKNOWN_KEY_SECONDS):
                await self._fetch(client)
            if key_id in self._fetched:
                return self._fetched[key_id]
        raise UnauthenticatedError("unknown_key")

    async def _fetch(self, client: aiohttp.ClientSession) -> None:
        async with self._fetching:
            if time.monotonic() - self._fetched_at < _UNKNOWN_KEY_SECONDS:
                return
            self._fetched_at = time.monotonic()
            try:
                async with client.get(self._url, timeout=aiohttp.ClientTimeout(total=5)) as answer:
                    answer.raise_for_status()
                    self._fetched = _jwks(await answer.read())
            except (aiohttp.ClientError, OSError, ValueError, jwt.PyJWTError) as error:
                _LOG.warning("JWKS not fetched", extra={"error": type(error).__name__})
