"""What the toolchain costs each `make up` that finds all of it."""

import pytest

from sandbox.cache import Cache
from sandbox.progress import to_terminal
from sandbox.toolchain import ensure
from tests.bench.conftest import Figures, seconds

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

_SECONDS = 2


def test_a_toolchain_that_is_there_is_found_quickly(cache: Cache, figures: Figures) -> None:
    ensure(cache, to_terminal)
    taken = seconds(lambda: ensure(cache, to_terminal))
    assert figures.amount("toolchain, everything there", round(taken, 2), "s", _SECONDS)
