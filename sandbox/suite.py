"""`make test`: the tests without a node on all cores, and those on nodes, which mostly wait, beside them.

From an empty cache the ones on nodes begin as soon as what they install is there, beside the further builds.
These end when the time for builds is over, so that the tests end within the time that CI has: what is not
made by then is told, its tests are skipped with that reason, and the next run goes on there.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sandbox.cache import Cache
from sandbox.prepare import prepare_nodes, prepare_rest
from sandbox.progress import Progress

_ROOT = Path(__file__).parents[1]
_PYTEST = (sys.executable, "-m", "pytest")
_WITHOUT_A_NODE = ("nice", "-n", "5", *_PYTEST, "--numprocesses", "auto", "--dist", "loadgroup")
# One by one: two cores start one cluster at a time. What failed last is the other run's to remember.
_ON_NODES = (*_PYTEST, "-p", "no:cacheprovider", "-m", "sandbox and not long", "--durations=10")
_LOOK_SECONDS = 1.0
_BUILD_MINUTES = 50
"""On two cores all builds take longer; an hour and a quarter is the limit, the tests after them included."""


def suite(cache: Cache, progress: Progress) -> None:
    """Make what the tests stand on and run them all; what the second half says follows the first.

    Args:
        cache: Where what they stand on is kept.
        progress: Takes a line per step.

    Raises:
        CalledProcessError: A test failed.
        BuildError: Something does not build; the others as `prepare` says.
    """
    over = time.monotonic() + 60 * float(os.environ.get("A1_BUILD_MINUTES") or _BUILD_MINUTES)
    prepare_nodes(cache, progress)
    log = cache.folder("work") / "tests-on-nodes.log"
    rest = partial(prepare_rest, cache, progress, over - time.monotonic())
    halves(log, _WITHOUT_A_NODE, _ON_NODES, rest)


def halves(
    log: Path, shown: tuple[str, ...], beside: tuple[str, ...], before: Callable[[], object] = lambda: None
) -> None:
    """Run two programs at once and show what they write one after the other.

    Args:
        log: Takes what the second writes until the first is done.
        shown: The first, whose output is shown at once.
        beside: The second. An interrupt reaches it once and by us, as it has nodes to take away.
        before: What the first waits for, and the second does not.

    Raises:
        CalledProcessError: One of them failed, the first of them where both did.
        Exception: What `before` raises; the second is ended then.
    """
    with log.open("w") as output:
        second = subprocess.Popen(
            beside,
            cwd=_ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        before()
        first = subprocess.run(shown, cwd=_ROOT, check=False)
        _follow(log, second)
    except BaseException:
        second.send_signal(signal.SIGINT)
        raise
    finally:
        second.wait()
    first.check_returncode()
    if second.returncode:
        raise subprocess.CalledProcessError(second.returncode, beside)


def _follow(log: Path, process: subprocess.Popen[bytes]) -> None:
    """Show what a program has written and goes on writing, until it ends."""
    with log.open(errors="replace") as written:
        ended = False
        while not ended:
            ended = process.poll() is not None
            sys.stdout.write(written.read())
            sys.stdout.flush()
            if not ended:
                time.sleep(_LOOK_SECONDS)
