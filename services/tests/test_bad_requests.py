"""Thousands of generated bad requests: each gets the right status, nothing falls over, nothing is told.

`A1_BAD_REQUESTS` is how many, `A1_SEED` which: the same seed makes the same requests.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from mcp_services.dev import Stack, free_base_port
from mcp_testing.bad_requests import bad_request
from mcp_testing.driving import Load, samples
from mcp_testing.forge import MARK, Bad, Forge

if TYPE_CHECKING:
    from pathlib import Path

COUNT = int(os.environ.get("A1_BAD_REQUESTS", "600"))
SEED = int(os.environ.get("A1_SEED", "1"))
_AT_ONCE = 16
_ANSWER_SECONDS = 30.0
_BODY_SECONDS = 3.0


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    """Signs tokens that the gateway believes."""
    return generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, key: RSAPrivateKey) -> Iterator[Stack]:
    """All roles, of which the gateway knows a key and waits for a body no longer than 3 s."""
    folder: Path = tmp_path_factory.mktemp("bad-requests")
    gateway = {"BODY_SECONDS": str(_BODY_SECONDS)}
    running = Stack(folder, base_port=free_base_port(), extra={"mcp-gateway": gateway})
    running.prepare()
    public: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    jwks = {"keys": [public | {"kid": "good", "use": "sig"}]}
    (folder / "auth" / "jwks.json").write_text(json.dumps(jwks))
    try:
        running.start_all()
        yield running
    finally:
        running.stop_all()


async def answered(stack: Stack, bad: Bad) -> tuple[int, str]:
    """The status of the answer and its correlation ID; 0 where the connection was closed without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port("mcp-gateway"))
    try:
        writer.write(bad.raw)
        # Who has sent all it has and closes has hung up, which is another thing: the sender listens on.
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _ANSWER_SECONDS)
        line, *headers = head.decode("latin-1").splitlines()
        told = dict(header.lower().split(": ", 1) for header in headers if header)
        return int(line.split()[1]), told.get("x-correlation-id", "")
    except (ConnectionError, asyncio.IncompleteReadError):
        return 0, ""
    finally:
        writer.close()


async def test_each_bad_request_gets_the_right_status_and_nothing_falls_over_or_is_told(
    stack: Stack, key: RSAPrivateKey
) -> None:
    forge = Forge(Random(SEED), stack.api_key, f"{stack.url('mcp-gateway')}/mcp", key)  # noqa: S311
    bads = [bad_request(forge) for _ in range(COUNT)]
    running = {role: process.pid for role, process in stack.processes.items()}
    gate = asyncio.Semaphore(_AT_ONCE)

    async def sent(bad: Bad) -> tuple[int, str]:
        async with gate:
            return await answered(stack, bad)

    answers = await asyncio.gather(*map(sent, bads))
    statuses = [status for status, _ in answers]
    wrong = [(bad, status) for bad, status in zip(bads, statuses, strict=True) if status not in bad.right]
    few = {(bad.kind, status): bad for bad, status in wrong}
    assert not wrong, f"seed {SEED}: {Counter((bad.kind, status) for bad, status in wrong)}\n{few}"

    assert {role: process.pid for role, process in stack.processes.items()} == running
    assert all(process.poll() is None for process in stack.processes.values())
    async with Load.on(stack) as load:
        assert (await load.call()).status == 200
    await _nothing_is_left(stack)
    logged = (stack.folder / "mcp-gateway.log").read_text()
    unknown = [bad for bad, (_, told) in zip(bads, answers, strict=True) if not told or told not in logged]
    assert unknown == []
    _nothing_is_told(stack, [MARK, stack.api_key, *forge.shown])


async def _nothing_is_left(stack: Stack) -> None:
    """Nothing is still being served, and no text of a client became a label."""
    for role in ("mcp-gateway", "mcp-policy-proxy", "mcp-orchestrator-api"):
        seen = await samples(stack, role)
        assert seen["mcp_inflight_requests", (("role", role),)] == 0
        methods = {dict(labels)["method"] for name, labels in seen if name == "mcp_requests_total"}
        assert len(methods) < 15, methods
        assert not [labels for _, labels in seen if MARK in str(labels)]


def _nothing_is_told(stack: Stack, secrets: list[str]) -> None:
    for log in stack.folder.glob("*.log"):
        text = log.read_text()
        assert "Traceback" not in text, text[text.index("Traceback") - 1000 :][:4000]
        assert [secret for secret in secrets if secret in text] == [], log.name
