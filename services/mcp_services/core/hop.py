"""A request to another service and what comes of it, whatever carries them."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol


class NotSentError(Exception):
    """No connection came about, so nothing was sent."""


class BrokenError(Exception):
    """The connection broke, or what came is no HTTP: what was asked for may be done, or only in part."""


@dataclass(frozen=True)
class Request:
    """A request to another service.

    Attributes:
        method: HTTP method.
        path: Path, with the query if there is one.
        headers: Headers.
        data: Body.
        seconds: Longest wait for the whole answer.
        repeatable: Whether it may be sent again although it may have arrived.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    data: bytes | None = None
    seconds: float = 60.0
    repeatable: bool = False


class Answer(Protocol):
    """An answer whose headers are there; to iterate over it gives its body in the pieces in which it comes.

    Reading raises `BrokenError` where the rest will not come, and `TimeoutError` where it is too late.
    """

    @property
    def status(self) -> int:
        """The status code."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By names in small letters; of one that came more than once, the first."""
        ...

    @property
    def content_length(self) -> int | None:
        """The length of the body, where the headers tell it."""
        ...

    @property
    def content_type(self) -> str:
        """The media type in small letters, without its parameters."""
        ...

    async def read(self) -> bytes:
        """What is left of the body."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces of the body."""
        ...

    def release(self) -> None:
        """Have done with it: its connection is kept for others if it has come whole, else closed."""
        ...
