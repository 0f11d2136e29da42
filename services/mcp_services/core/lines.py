"""The lines that each call writes, in the form of `logs`, yet past the logging module.

Of a call there are five over all services, and a record of `logging` takes several times the CPU of its line.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import BinaryIO

import orjson

from mcp_services.core import exchange


class Lines:
    """Lines of one process; nothing is written before it is told where to."""

    def __init__(self) -> None:
        """Write nowhere."""
        self._role = ""
        self._stream: BinaryIO | None = None
        self._waiting: list[bytes] = []
        self._second, self._told = 0, ""

    def begin(self, role: str, stream: BinaryIO) -> None:
        """Write to `stream` from now on, with `role` in every line."""
        self._role, self._stream = role, stream

    def write(self, message: str, fields: Mapping[str, object], *, now: bool = False) -> None:
        """Write a line with these fields; several of one round of the event loop go out together.

        Args:
            message: What has happened.
            fields: What there is to tell of it.
            now: Have it out before anything else happens, with all that wait.
        """
        if self._stream is None:
            return
        at = exchange.current()
        line: dict[str, object] = {
            "time": self._time(),
            "level": "info",
            "role": self._role,
            "message": message,
        }
        if at.correlation_id:
            line["correlation_id"] = at.correlation_id
        if at.trace_id:
            line["trace_id"] = at.trace_id
        line.update(fields)
        self._waiting.append(_encoded(line))
        if now:
            self.flush()
        elif len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Have all that wait out."""
        waiting, self._waiting = self._waiting, []
        if not waiting or self._stream is None:
            return
        try:
            self._stream.write(b"".join(waiting))
            self._stream.flush()
        except (OSError, ValueError):
            # A call is none the worse for a line that nobody reads; what `logging` writes tells of it.
            return

    def _time(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._told = second, f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        return f"{self._told}.{int((now - second) * 1000):03d}+00:00"


def _encoded(line: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # A name may hold half of a surrogate pair, which is no text in UTF-8.
        told = {key: _text(value) if isinstance(value, str) else value for key, value in line.items()}
        return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


def _text(value: str) -> str:
    return value.encode(errors="backslashreplace").decode()


_OWN = Lines()
begin, write, flush = _OWN.begin, _OWN.write, _OWN.flush
