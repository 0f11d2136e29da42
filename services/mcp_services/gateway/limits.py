"""How much one gateway pod lets through."""

import contextlib
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator

from mcp_services.documents import Limits

_MOST_SUBJECTS = 10_000


class RateLimiter:
    """A token bucket for each subject; the subjects seen longest ago are forgotten first."""

    def __init__(self) -> None:
        """Start with full buckets."""
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def take(self, subject: tuple[str, str], limits: Limits, now: float | None = None) -> float:
        """Take one token.

        Args:
            subject: Whose bucket, by `Subject.key`.
            limits: Size and refill.
            now: Monotonic seconds; the present by default.

        Returns:
            0 when there was one, else the seconds until there is.
        """
        now = time.monotonic() if now is None else now
        tokens, then = self._buckets.pop(subject, (float(limits.burst), now))
        tokens = min(float(limits.burst), tokens + (now - then) * limits.requests_per_second)
        missing = max(0.0, 1.0 - tokens)
        self._buckets[subject] = (tokens - 1.0 if not missing else tokens, now)
        if len(self._buckets) > _MOST_SUBJECTS:
            self._buckets.popitem(last=False)
        return missing / limits.requests_per_second


class Places:
    """The requests being served, of which each subject has a share."""

    def __init__(self) -> None:
        """Nobody is served yet."""
        self._taken: Counter[tuple[str, str]] = Counter()

    def full(self, subject: tuple[str, str], limits: Limits) -> str:
        """For which limit there is no place: `concurrency`, `subject_concurrency`, or none."""
        if self._taken.total() >= limits.concurrency:
            return "concurrency"
        return "subject_concurrency" if self._taken[subject] >= limits.share else ""

    @contextlib.contextmanager
    def taken(self, subject: tuple[str, str]) -> Iterator[None]:
        """Have a place while the block runs."""
        self._taken[subject] += 1
        try:
            yield
        finally:
            self._taken[subject] -= 1
            if not self._taken[subject]:
                del self._taken[subject]
