"""What takes a moment on a cluster: ask again until it is so."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def eventually(
    look: Callable[[], _T], seconds: float, wanted: Callable[[_T], bool] = bool, every: float = 1.0
) -> _T:
    """Return the first thing seen that is as wanted, or the last one once the time is over.

    Args:
        look: Looks once.
        seconds: How long to look.
        wanted: Tells whether it is so.
        every: Seconds between two looks.
    """
    until = time.monotonic() + seconds
    while True:
        seen = look()
        if wanted(seen) or time.monotonic() > until:
            return seen
        time.sleep(every)
