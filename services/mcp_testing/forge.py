"""Makes requests at random from a seed, good but for what is asked to be bad."""

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from mcp_testing.driving import HEADERS, META

MARK = "leak-me-not"
"""In everything that must never be found in a log: bodies, arguments, credentials."""

Statuses = frozenset[int]


@dataclass(frozen=True)
class Bad:
    """A request as bytes.

    Attributes:
        kind: What is wrong with it.
        right: The statuses that are right.
        raw: What is sent, after which the sender listens.
    """

    kind: str
    right: Statuses
    raw: bytes


@dataclass
class Forge:
    """Makes bad requests.

    Attributes:
        random: Where chance comes from.
        api_key: A good one.
        audience: What the gateway asks of a token.
        key: Signs tokens that the gateway would believe.
        shown: Every credential that was made up, to be looked for in the logs.
    """

    random: Random
    api_key: str
    audience: str
    key: RSAPrivateKey
    shown: list[str] = field(default_factory=list)
    stranger: RSAPrivateKey = field(default_factory=lambda: generate_private_key(65537, 2048))

    def word(self, least: int = 1, most: int = 20) -> str:
        """A random word."""
        return "".join(self.random.choices(string.ascii_letters, k=self.random.randint(least, most)))

    def value(self, depth: int = 2) -> Any:  # noqa: ANN401 - any JSON value
        """A random JSON value."""
        plain: list[Any] = [None, True, -1, 1.5, 10**30, "", f"{MARK}\u0000\ud7ff", [], {}]
        if depth == 0 or self.random.random() < 0.5:
            return self.random.choice(plain)
        if self.random.random() < 0.5:
            return [self.value(depth - 1) for _ in range(self.random.randint(1, 3))]
        return {self.word(): self.value(depth - 1) for _ in range(self.random.randint(1, 3))}

    def request(
        self,
        body: bytes,
        headers: Mapping[str, str | None] | None = None,
        line: str = "POST /mcp HTTP/1.1",
    ) -> bytes:
        """A request that is good but for what is given; a header that is None is left out.

        Two names that differ in case only are two lines of one header.
        """
        sent: dict[str, str | None] = {
            "Host": "localhost",
            "X-API-Key": self.api_key,
            "Content-Type": "application/json",
            "Accept": HEADERS["Accept"],
            "Connection": "close",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }
        lines = [line, *(f"{name}: {value}" for name, value in sent.items() if value is not None)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body

    def message(self, **changed: object) -> bytes:
        """A good call, but for what is changed; what is changed to `...` is left out."""
        params = {"name": "example__echo", "arguments": {"text": MARK}, "_meta": META}
        whole: dict[str, object] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        whole |= changed
        return json.dumps({key: value for key, value in whole.items() if value is not ...}).encode()
