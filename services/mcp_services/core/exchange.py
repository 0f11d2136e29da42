"""One request's facts, shared by the edge, the handlers, the log and the upstream calls."""

import re
import secrets
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from mcp_services.core.room import Room

CORRELATION_HEADER = "X-Correlation-ID"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NONE: Mapping[str, str] = {}


@dataclass(slots=True)
class Exchange:
    """What is known of the request being served.

    Attributes:
        correlation_id: Accepted from the caller or minted.
        method: Label for metrics; only ever a value of a catalogue, never the client's own text.
        subject: Who asks, once authenticated.
        trace_id: 32 hexadecimal digits once a span is open.
        outcome: Set by a handler that knows better than the status code.
        answering: Whether its answer has begun.
        headers: What came with it, by names in small letters; read once here, since each look-up in
            Starlette's goes through all of them. They hold credentials, and are not for a log.
        room: Where its body, and what is held whole of answers to it, takes room; none outside of a request.
        held: What it has taken there.
        over: Whether it has ended, after which it takes none: nobody would give it back.
    """

    correlation_id: str = ""
    method: str = "_other"
    subject: str = ""
    trace_id: str = ""
    outcome: str = ""
    answering: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    room: Room | None = None
    held: int = 0
    over: bool = False

    def hold(self, piece: bytes) -> int:
        """Take room for a piece of what is held until the end, and give how much.

        Raises:
            NoRoomError: There is none.
        """
        if not piece or self.room is None or self.over:
            return 0
        taken = self.room.take(self.subject, self.held, piece)
        self.held += taken
        return taken

    def let_go(self, taken: int) -> None:
        """Give back so much before the end; after it nothing is left to give."""
        taken = min(taken, self.held)
        if taken and self.room is not None:
            self.room.leave(self.subject, taken)
            self.held -= taken

    def end(self) -> None:
        """Give back everything, and take no more."""
        self.let_go(self.held)
        self.over = True


_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def current() -> Exchange:
    """The exchange being served, or an empty one outside any request."""
    return _current.get() or Exchange()


def begin(offered: str | None, headers: Mapping[str, str] = _NONE) -> Exchange:
    """Start an exchange under the caller's correlation ID, or a minted one when that is not acceptable."""
    accepted = offered is not None and _ACCEPTED.fullmatch(offered)
    correlation_id = offered if offered and accepted else secrets.token_hex(16)
    exchange = Exchange(correlation_id=correlation_id, headers=headers)
    _current.set(exchange)
    return exchange


def begin_request(raw: Iterable[tuple[bytes, bytes]]) -> Exchange:
    """Start the exchange of a request; of a header that came more than once, the first counts."""
    headers: dict[str, str] = {}
    for name, value in raw:
        headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return begin(headers.get(CORRELATION_HEADER.lower()), headers)


def resume(exchange: Exchange) -> None:
    """Continue an exchange in another task, which does not inherit the request's context."""
    _current.set(exchange)
