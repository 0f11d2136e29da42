"""How much one gateway pod lets through."""

import time
from collections import OrderedDict

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
