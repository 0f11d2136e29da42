"""Room for the bodies of the requests being served: who would take more than is left comes again later."""

from collections import Counter

MOST_BYTES = 64 * 1024 * 1024
_A_BYTE, _A_VALUE, _AN_OBJECT = 4, 48, 192
"""What a body takes in the orchestrator, which holds it as it came, as text, and encoded for the tool.

CPython 3.11: an empty list has 56 bytes and a place of 8, an object of one member 184. So 4 MiB of `[],` are
1.4 million lists of 90 MiB, where 4 MiB of text are little more than themselves.
"""


class NoRoomError(Exception):
    """There is no room for a body."""

    def __init__(self, *, ever: bool) -> None:
        """Say so; `ever` where there may be once other requests are answered."""
        super().__init__("no room for this body now" if ever else "no room for this body at any time")
        self.ever = ever


def weight(piece: bytes) -> int:
    """About the most memory that a piece of a body takes; what stands within a text is counted as well."""
    values = piece.count(b",") + piece.count(b"[")
    return _A_BYTE * len(piece) + _A_VALUE * values + _AN_OBJECT * piece.count(b"{")


class Room:
    """The memory that the bodies of all requests take at once, of which each subject has three quarters."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        """Have room for so many bytes."""
        self._most, self._share = most, most * 3 // 4
        self._taken: Counter[str] = Counter()

    def take(self, subject: str, held: int, piece: bytes) -> int:
        """Take room for one more piece of a body that holds `held` already, and give what it takes.

        Raises:
            NoRoomError: There is none.
        """
        more = weight(piece)
        if held + more > self._share:
            raise NoRoomError(ever=False)
        if self._taken[subject] + more > self._share or self._taken.total() + more > self._most:
            raise NoRoomError(ever=True)
        self._taken[subject] += more
        return more

    def leave(self, subject: str, held: int) -> None:
        """Give back what a body held."""
        self._taken[subject] -= held
        if not self._taken[subject]:
            del self._taken[subject]
