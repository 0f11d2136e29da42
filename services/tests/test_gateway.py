"""Whom the gateway lets in."""

import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from mcp_services.core.identity import Subject
from mcp_services.documents import Limits
from mcp_services.gateway.auth import Authenticator, UnauthenticatedError
from mcp_services.gateway.limits import Places, RateLimiter

AUDIENCE = "https://mcp.example/mcp"


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    """A signing key."""
    return generate_private_key(65537, 2048)


@pytest.fixture
def gate(tmp_path: Path, key: RSAPrivateKey) -> Authenticator:
    """Knows `key` under the ID `one`, and an API key."""
    public: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [public | {"kid": "one", "use": "sig"}]}))
    digest = hashlib.sha256(b"an-api-key").hexdigest()
    (tmp_path / "keys.json").write_text(json.dumps([{"name": "ci", "sha256": digest, "scopes": ["tools"]}]))
    return Authenticator(
        jwks_file=tmp_path / "jwks.json",
        jwks_url="",
        api_keys_file=tmp_path / "keys.json",
        audience=AUDIENCE,
        issuer="https://issuer.example",
    )


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client for JWKS URLs."""
    async with aiohttp.ClientSession() as session:
        yield session


def token(key: RSAPrivateKey | str, algorithm: str = "RS256", kid: str = "one", **changed: object) -> str:
    """A token that is valid but for what is changed."""
    claims = {
        "sub": "alice",
        "aud": AUDIENCE,
        "iss": "https://issuer.example",
        "exp": time.time() + 60,
        "scope": "tools other",
    } | changed
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm, {"kid": kid})


async def test_a_valid_token_gives_subject_and_scopes(
    gate: Authenticator, key: RSAPrivateKey, http: aiohttp.ClientSession
) -> None:
    found = await gate.authenticate(f"Bearer {token(key)}", None, http)
    assert found == Subject("alice", "user", ("tools", "other"))


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": None, "scp": ["a", "b"]}, ("a", "b")),
        ({"scope": None}, ()),
        ({"scope": 5}, ()),
        ({"scope": {"a": 1}}, ()),
    ],
)
async def test_scopes_that_are_none_or_nonsense_are_no_scopes(
    gate: Authenticator,
    key: RSAPrivateKey,
    http: aiohttp.ClientSession,
    claims: dict[str, Any],
    scopes: tuple[str, ...],
) -> None:
    plain = {"sub": "alice", "aud": AUDIENCE, "iss": "https://issuer.example", "exp": time.time() + 60}
    signed = jwt.encode(plain | claims, key, "RS256", {"kid": "one"})
    assert (await gate.authenticate(f"Bearer {signed}", None, http)).scopes == scopes


async def test_a_token_is_verified_once_until_it_expires_or_the_keys_are_read_anew(
    gate: Authenticator,
    key: RSAPrivateKey,
    http: aiohttp.ClientSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mcp_services.core.files._LOOK_EVERY_SECONDS", 0.0)
    decode, verified = jwt.decode, []

    def counted(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - as jwt.decode
        verified.append(args)
        return decode(*args, **named)

    monkeypatch.setattr(jwt, "decode", counted)
    now = time.time()
    shown = f"Bearer {token(key, exp=now + 60)}"
    for _ in range(3):
        assert (await gate.authenticate(shown, None, http)).id == "alice"
    assert len(verified) == 1
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: now + 61)
        await gate.authenticate(shown, None, http)
        assert len(verified) == 2
    file = tmp_path / "jwks.json"
    keys = file.read_text()
    file.write_text(keys + " ")
    await gate.authenticate(shown, None, http)
    assert len(verified) == 3
    file.write_text('{"keys": []}')
    with pytest.raises(UnauthenticatedError, match="unknown_key"):
        await gate.authenticate(shown, None, http)


async def test_tokens_that_were_verified_take_bounded_memory(
    gate: Authenticator, key: RSAPrivateKey, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_services.gateway.auth._MOST_VERIFIED", 3)
    for number in range(8):
        await gate.authenticate(f"Bearer {token(key, sub=f's{number}')}", None, http)
        assert len(gate._verified) <= 3


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"exp": 1}, "expired"),
        ({"aud": "https://other.example/mcp"}, "audience"),
        ({"aud": None}, "invalid"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"sub": None}, "invalid"),
        ({"kid": "two"}, "unknown_key"),
    ],
)
async def test_a_token_that_is_wrong_in_one_claim_is_refused_with_the_reason(
    gate: Authenticator, key: RSAPrivateKey, http: aiohttp.ClientSession, changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnauthenticatedError) as refused:
        await gate.authenticate(f"Bearer {token(key, **changed)}", None, http)
    assert refused.value.reason == reason


async def test_a_token_signed_by_another_key_or_with_the_public_key_as_secret_is_refused(
    gate: Authenticator, http: aiohttp.ClientSession
) -> None:
    forged = token(generate_private_key(65537, 2048))
    confused = token("a-public-key-taken-for-a-shared-secret-of-hmac", "HS256")
    for bad in (forged, confused, "a.b.c", token("", "none")):
        with pytest.raises(UnauthenticatedError):
            await gate.authenticate(f"Bearer {bad}", None, http)


@pytest.mark.parametrize("keys", ['{"keys": []}', "{}", '{"keys": [{"kty": "none"}]}', "[]"])
async def test_without_a_usable_key_set_api_keys_still_work_and_tokens_are_refused(
    gate: Authenticator, key: RSAPrivateKey, http: aiohttp.ClientSession, tmp_path: Path, keys: str
) -> None:
    (tmp_path / "jwks.json").write_text(keys)
    assert await gate.authenticate(None, "an-api-key", http) == Subject("ci", "key", ("tools",))
    with pytest.raises(UnauthenticatedError, match="unknown_key"):
        await gate.authenticate(f"Bearer {token(key)}", None, http)


async def test_an_api_key_is_known_by_its_digest_in_either_header(
    gate: Authenticator, http: aiohttp.ClientSession
) -> None:
    expected = Subject("ci", "key", ("tools",))
    assert await gate.authenticate(None, "an-api-key", http) == expected
    assert await gate.authenticate("Bearer an-api-key", None, http) == expected
    with pytest.raises(UnauthenticatedError, match="unknown_key"):
        await gate.authenticate(None, "another", http)
    with pytest.raises(UnauthenticatedError, match="missing"):
        await gate.authenticate("Basic YTpi", None, http)


def test_a_subject_gets_its_burst_then_its_rate_and_nobody_elses() -> None:
    limiter, limits = RateLimiter(), Limits(requests_per_second=10, burst=2)
    alice, key = Subject("alice", "user").key, Subject("alice", "key").key
    assert [limiter.take(alice, limits, now=0) for _ in range(3)] == [0, 0, pytest.approx(0.1)]
    assert limiter.take(key, limits, now=0) == 0
    assert limiter.take(alice, limits, now=0.1) == 0


def test_a_subject_has_a_share_of_the_places_and_leaves_room_for_the_others() -> None:
    places, limits = Places(), Limits(concurrency=5, subject_concurrency=3)
    assert Limits(concurrency=5).share == 2
    assert Limits(concurrency=1).share == 1
    alice, key = Subject("alice", "user").key, Subject("alice", "key").key
    with contextlib.ExitStack() as held:
        for _ in range(3):
            assert places.full(alice, limits) == ""
            held.enter_context(places.taken(alice))
        assert (places.full(alice, limits), places.full(key, limits)) == ("subject_concurrency", "")
        for _ in range(2):
            held.enter_context(places.taken(key))
        assert places.full(key, limits) == "concurrency"
    assert (places.full(alice, limits), places.full(key, limits)) == ("", "")
    assert not places._taken
