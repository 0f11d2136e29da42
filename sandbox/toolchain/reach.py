"""Whether servers answer at all, which is asked once a run and before anything is taken from them."""

import http.client
import math
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field

REACHED_WITHIN_SECONDS = 20.0
"""A lost packet is sent again after 1, 3 and 7 s, and a name server is asked twice for 5 s each."""


class ReleaseError(RuntimeError):
    """What others publish cannot be had; the text names its address."""


class UnreachableError(ReleaseError):
    """The server does not answer, or not to us."""


class SlowError(UnreachableError):
    """The server has not answered in the time that it was given, which says nothing for sure."""


def require_address(variable: str, value: str) -> None:
    """Return where a variable of the environment holds an address.

    Raises:
        ReleaseError: It holds something else, or one with a password, which is not quoted: addresses are
            told, and stand in command lines.
    """
    if "@" in value:
        raise ReleaseError(f"{variable}: found an address with a user or a password in it, expected none")
    if not value.startswith(("http://", "https://")):
        raise ReleaseError(f"{variable}: found {value!r}, expected an address that begins with https://")


@dataclass(frozen=True)
class Reach:
    """Which servers answer.

    It is remembered, so that a run does not wait for one twice; who gives a slow one more time asks it again.
    """

    _answers: dict[str, "_Reached"] = field(default_factory=dict)

    def require(self, base: str, within: float = REACHED_WITHIN_SECONDS) -> None:
        """Return when a server answers.

        Args:
            base: Its address.
            within: Seconds until it counts as slow, name resolution included; a refusal counts at once.

        Raises:
            SlowError: It has not answered so far.
            UnreachableError: It refuses, or nobody knows its name.
        """
        seen = self._answers.get(base)
        if seen is None or seen.waited < within:
            seen = self._answers[base] = _reached(base, within)
        if seen.problem:
            kind = UnreachableError if seen.is_definite else SlowError
            raise kind(f"{base} cannot be reached: {seen.problem}")


@dataclass(frozen=True)
class _Reached:
    """What became of asking a server whether it answers.

    Attributes:
        problem: Why it cannot be reached; empty where it answers.
        waited: Seconds for which that holds; endless where it is definite.
    """

    problem: str
    waited: float = math.inf

    @property
    def is_definite(self) -> bool:
        """Whether more time would change nothing."""
        return math.isinf(self.waited)


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows nobody: a server that sends us elsewhere has answered, whether or not that place does."""

    def redirect_request(self, *_: object) -> None:
        """Take the redirection for the answer."""


def _reached(base: str, within: float) -> _Reached:
    """Ask in a thread of its own: name resolution has no time-out that could be set."""
    said: list[_Reached] = []
    slow = _Reached(f"no answer within {within:g} s", within)

    def ask() -> None:
        try:
            request = urllib.request.Request(f"{base}/", method="HEAD")  # noqa: S310 - an address of the operator's
            with urllib.request.build_opener(_Stays).open(request, timeout=within):
                said.append(_Reached(""))
        except urllib.error.HTTPError:
            said.append(_Reached(""))  # whatever it says, it answers
        except (OSError, http.client.HTTPException) as error:
            is_slow = isinstance(_inner(error), TimeoutError)
            said.append(slow if is_slow else _Reached(reason(error)))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(within)
    return said[0] if said else slow


def _inner(error: Exception) -> object:
    return error.reason if isinstance(error, urllib.error.URLError) else error


def reason(error: Exception) -> str:
    """Return why a server could not be asked, without what is only urllib's."""
    inner = _inner(error)
    return str(inner) or type(inner).__name__
