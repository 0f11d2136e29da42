"""Loads the chain by Vegeta, beside this process: a generator in Python would take what it measures."""

import asyncio
import base64
import datetime as dt
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
from mcp_services.dev import Stack

from mcp_testing.driving import CALL, HEADERS, Ask, Outcome, Taken, is_right

_LONGEST_SECONDS = 30


class Vegeta:
    """Calls through the gateway of a stack."""

    def __init__(self, program: Path, stack: Stack) -> None:
        """Call by `program`."""
        self._program = program
        self._url = f"{stack.url('mcp-gateway')}/mcp"
        self._key = stack.api_key

    async def constant(self, rate: int, seconds: float, ask: Ask = CALL) -> Outcome:
        """Call so often a second, whether or not the calls before are answered."""
        return await self._attack(ask, seconds, f"-rate={rate}/1s")

    async def saturated(self, connections: int, seconds: float, ask: Ask = CALL) -> Outcome:
        """Call again on each connection as soon as the answer is there."""
        return await self._attack(ask, seconds, "-rate=0", f"-max-workers={connections}")

    async def _attack(self, ask: Ask, seconds: float, *how: str) -> Outcome:
        headers = {**HEADERS, **ask.headers, "X-API-Key": self._key}
        target = {
            "method": "POST",
            "url": self._url,
            "header": {name: [value] for name, value in headers.items()},
            "body": base64.b64encode(ask.body).decode(),
        }
        # On standard input, as it holds the key.
        options = (
            "-format=json",
            "-max-body=4096",
            f"-duration={seconds}s",
            f"-timeout={_LONGEST_SECONDS}s",
            *how,
        )
        results = await asyncio.to_thread(self._run, orjson.dumps(target) + b"\n", "attack", *options)
        lines = await asyncio.to_thread(self._run, results, "encode", "-to=json")
        return Outcome(list(_taken(lines)), seconds)

    def _run(self, given: bytes, *arguments: str) -> bytes:
        # What is given holds the key, which a traceback would show.
        __tracebackhide__ = True
        done = subprocess.run([self._program, *arguments], input=given, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def _taken(lines: bytes) -> Iterator[Taken]:
    for line in lines.splitlines():
        one = orjson.loads(line)
        content = base64.b64decode(one["body"] or "")
        begun = dt.datetime.fromisoformat(one["timestamp"]).timestamp()
        ok = is_right(one["code"], content)
        yield Taken(one["code"], one["latency"] / 1e9, begun, ok, b"" if ok else content[:300])
