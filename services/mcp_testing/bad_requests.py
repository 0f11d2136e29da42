"""Requests that nobody should send, each with the right statuses for it."""

import json
import time
from collections.abc import Callable
from typing import Any

import jwt

from mcp_testing.driving import CALL, META
from mcp_testing.forge import MARK, Bad, Forge, Statuses

MOST_BYTES = 4 * 2**20
_BAD: Statuses = frozenset({400})
_MODERN = dict(CALL.headers)


def _no_json(forge: Forge) -> Bad:
    whole = forge.message()
    body = forge.random.choice(
        [
            forge.random.randbytes(forge.random.randint(0, 200)),
            whole[: forge.random.randint(0, len(whole) - 1)],
            whole + b"}",
            b"[" * forge.random.randint(1, 5000),
            b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}',
            b'\xef\xbb\xbf{"a"',
        ]
    )
    return Bad("no JSON", _BAD, forge.request(body, forge.random.choice([{}, _MODERN])))


def _no_message(forge: Forge) -> Bad:
    body = forge.random.choice(
        [
            json.dumps([json.loads(forge.message())] * forge.random.randint(0, 3)).encode(),
            json.dumps(forge.value()).encode(),
            forge.message(method=forge.random.choice([None, 1, [], {}, ...])),
            forge.message(params=forge.random.choice([None, 1, "x", [1]])),
        ]
    )
    return Bad("no JSON-RPC message", _BAD, forge.request(body, forge.random.choice([{}, _MODERN])))


def _wrong_envelope(forge: Forge) -> Bad:
    body = forge.random.choice(
        [
            forge.message(jsonrpc=forge.random.choice(["1.0", 2, None, ...])),
            forge.message(id=forge.random.choice([{}, [], 1.5, True, None])),
        ]
    )
    return Bad("wrong envelope", _BAD, forge.request(body, _MODERN))


def _disagreement(forge: Forge) -> Bad:
    other = forge.word()
    headers: dict[str, str | None] = forge.random.choice(
        [
            {**_MODERN, "Mcp-Method": other},
            {**_MODERN, "Mcp-Name": other},
            {**_MODERN, "Mcp-Method": "tools/list"},
            {**_MODERN, "Mcp-Method": None},
            {**_MODERN, "Mcp-Name": None},
        ]
    )
    return Bad("header and body disagree", _BAD, forge.request(forge.message(), headers))


def _version(forge: Forge) -> Bad:
    version = forge.random.choice(["1999-01-01", "2099-12-31", forge.word(), "9" * 500, "2026-07-28 "[:-2]])
    headers = {**_MODERN, "MCP-Protocol-Version": version}
    return Bad("unknown protocol version", _BAD, forge.request(forge.message(), headers))


def _meta_version(forge: Forge) -> Bad:
    meta = {**META, "io.modelcontextprotocol/protocolVersion": forge.word()}
    params = {"name": "example__echo", "arguments": {}, "_meta": forge.random.choice([meta, {}, None, 1])}
    return Bad("wrong _meta", _BAD, forge.request(forge.message(params=params), _MODERN))


def _doubled(forge: Forge) -> Bad:
    once = {**_MODERN, "Mcp-Param-Region": "eu"}
    name = forge.random.choice(list(once))
    headers = {**once, name.lower(): forge.random.choice([forge.word(), once[name]])}
    return Bad("header twice", _BAD, forge.request(forge.message(), headers))


def _too_large(forge: Forge) -> Bad:
    headers = {"Content-Length": str(MOST_BYTES + forge.random.randint(1, 2**40))}
    return Bad("too large by its word", frozenset({413}), forge.request(b"{", headers))


def _chunked(forge: Forge) -> Bad:
    piece = b"a" * 65536
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for _ in range(MOST_BYTES // len(piece) + 1))
    headers = {"Transfer-Encoding": "chunked", "Content-Length": None}
    return Bad("too large in pieces", frozenset({413}), forge.request(pieces + b"0\r\n\r\n", headers))


def _slow(forge: Forge) -> Bad:
    whole = forge.message()
    part = whole[: forge.random.randint(0, len(whole) - 1)]
    raw = forge.request(part, {**_MODERN, "Content-Length": str(len(whole))})
    return Bad("slow", frozenset({408}), raw)


def _unauthenticated(forge: Forge) -> Bad:
    now = time.time()
    claims: dict[str, Any] = {"sub": "alice", "aud": forge.audience, "exp": now + 60, "scope": "tools"}
    key: Any = forge.key
    algorithm, header = "RS256", {"kid": "good"}
    match forge.random.randrange(9):
        case 0:
            claims["aud"] = forge.random.choice([forge.word(), [forge.word()], f"{forge.audience}/", ""])
        case 1:
            claims["exp"] = now - forge.random.randint(10, 10**6)
        case 2:
            key = forge.stranger
        case 3:
            algorithm, key = "none", None
        case 4:
            algorithm, key = "HS256", "a public key taken for a secret, long enough for HMAC"
        case 5:
            header = {"kid": forge.word()}
        case 6:
            del claims[forge.random.choice(["sub", "aud", "exp"])]
        case 7:
            claims["nbf"] = now + 3600
        case _:
            return _no_token(forge)
    token = jwt.encode(claims, key, algorithm, header)
    return _with_token(forge, f"Bearer {token}", token)


def _no_token(forge: Forge) -> Bad:
    word = f"{MARK}-{forge.word(8, 40)}"
    shown = forge.random.choice(
        [
            f"Bearer {word}",
            f"bearer  {word}",
            f"Basic {word}",
            "Bearer",
            f"Bearer {word}.{word}.{word}",
            f"Bearer {forge.api_key}x",
            f"Bearer {'é' * 9}{word}",
            f"Bearer {word * 100}",
        ]
    )
    return _with_token(forge, shown, word)


def _with_token(forge: Forge, authorization: str, secret: str) -> Bad:
    forge.shown.append(secret)
    headers = {**_MODERN, "X-API-Key": None, "Authorization": authorization}
    return Bad("no valid credential", frozenset({401}), forge.request(forge.message(), headers))


def _elsewhere(forge: Forge) -> Bad:
    headers, line, right = forge.random.choice(
        [
            ({"Host": f"{forge.word()}.example"}, "POST /mcp HTTP/1.1", 421),
            ({"Host": ""}, "POST /mcp HTTP/1.1", 421),
            ({"Origin": f"https://{forge.word()}.example"}, "POST /mcp HTTP/1.1", 403),
            ({"Origin": "null"}, "POST /mcp HTTP/1.1", 403),
            ({}, f"{forge.random.choice(['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])} /mcp HTTP/1.1", 405),
            ({}, f"POST /{forge.word()} HTTP/1.1", 404),
            ({}, "POST /mcp/../metrics HTTP/1.1", 404),
            ({}, f"POST /api/v1/{forge.word()} HTTP/1.1", 404),
            ({}, "POST /api/v1/decide HTTP/1.1", 403),
        ]
    )
    return Bad("not served", frozenset({right}), forge.request(forge.message(), headers, line))


def _refused(forge: Forge) -> Bad:
    name = forge.random.choice([forge.word(), "example__fail", f"{forge.word()}__{forge.word()}", "é" * 9])
    if forge.random.random() < 0.5:
        changed: dict[str, object] = {"params": {"name": name, "arguments": {"text": MARK}}}
    else:
        changed = {"method": forge.random.choice(["resources/list", "logging/setLevel", forge.word(), name])}
    return Bad("not allowed", frozenset({403}), forge.request(forge.message(**changed)))


def _wrong_media_type(forge: Forge) -> Bad:
    kind = forge.random.choice(["text/plain", "application/xml", "multipart/form-data", forge.word()])
    raw = forge.request(forge.message(), {**_MODERN, "Content-Type": kind})
    return Bad("wrong media type", frozenset({400, 415}), raw)


def _no_http(forge: Forge) -> Bad:
    line = "POST /mcp HTTP/1.1\r\nHost: localhost\r\n"
    head = forge.random.choice(
        [
            f"{forge.word()}\r\n\r\n",
            "POST /mcp HTTP/9.9\r\n\r\n",
            f"{line}Content-Length: -1\r\n\r\n",
            f"{line}Content-Length: {forge.word()}\r\n\r\n",
            f"{line}Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
            f"{line}Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            f"{line}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            f"{line}{forge.word()} : x\r\n\r\n",
            f"{line}no colon here\r\n\r\n",
            f"{line}X: a\x00b\r\n\r\n",
        ]
    )
    # Broken after its headers are read, a request may be refused for want of a credential before its body is.
    return Bad("no HTTP", frozenset({400, 401}), head.encode("latin-1"))


_KINDS: tuple[Callable[[Forge], Bad], ...] = (
    *(_no_json, _no_message, _wrong_envelope, _disagreement, _version, _meta_version, _doubled) * 6,
    *(_unauthenticated, _unauthenticated, _elsewhere, _refused, _wrong_media_type, _no_http, _too_large) * 6,
    _chunked,
    _slow,
)


def bad_request(forge: Forge) -> Bad:
    """A request of any kind."""
    return forge.random.choice(_KINDS)(forge)
