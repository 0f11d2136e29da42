"""Install on the sandbox node what is there, and each further part as soon as it is made."""

import queue
import threading
from collections.abc import Callable, Sequence

from sandbox.bundle import held_parts, make_bundle, ready_parts
from sandbox.cache import Cache
from sandbox.progress import Progress
from sandbox.side_by_side import end, until

_FIRST = "system"

_Made = queue.SimpleQueue[str | Exception | None]


def install_in_stages(
    cache: Cache, progress: Progress, parts: Sequence[str] | None, install: Callable[[Sequence[str]], None]
) -> None:
    """Install the cluster at once and the parts as they get ready, while the next ones are built.

    With everything made already there is one installation.

    Args:
        cache: Where the bundle is.
        progress: Takes a line per step.
        parts: Names of the parts that are wanted; all by default.
        install: Installs the cluster with the parts of these names.

    Raises:
        BundleError: A name is unknown, or there is too little disk or memory; nothing was built or installed.
        PartsError: Some parts could not be made; all others are installed.
    """
    wanted = None if parts is None else [_FIRST, *parts]
    ready, missing = ready_parts(cache, wanted)
    if not missing:
        install(ready)
        return
    made: _Made = queue.SimpleQueue()
    over = threading.Event()
    work = (cache, until(over, progress), wanted, made)
    builder = threading.Thread(target=_build, args=work, daemon=True)
    builder.start()
    try:
        # What an earlier recipe made goes on until today's takes its place: left out, it would be removed.
        held, damaged = held_parts(cache, wanted)
        failure = _install_what_comes(made, held, damaged, install)
    except BaseException:
        over.set()
        end(lambda: not builder.is_alive())
        raise
    if failure:
        raise failure


def _install_what_comes(
    made: _Made, there: Sequence[str], damaged: Sequence[str], install: Callable[[Sequence[str]], None]
) -> Exception | None:
    """Install again and again with what has come, and return why the rest did not."""
    failure: Exception | None = None
    pending, due = True, False
    while pending:
        news = [made.get()]
        while not made.empty():
            news.append(made.get())
        failure = next((entry for entry in news if isinstance(entry, Exception)), failure)
        pending = None not in news
        arrived = [entry for entry in news if isinstance(entry, str)]
        there = list(dict.fromkeys((*there, *arrived)))
        # After a failure once more: the installation is told why a part is left out of it.
        due = due or news != [None]
        # What is damaged may run: left out until it is made anew, it would be removed with its data.
        awaited = pending and not set(damaged) <= set(there)
        if due and not awaited and _FIRST in there:
            install(there)
            due = False
    return failure


def _build(
    cache: Cache,
    progress: Progress,
    wanted: Sequence[str] | None,
    made: _Made,
) -> None:
    try:
        make_bundle(cache, progress, wanted, on_part=made.put)
    except Exception as error:  # noqa: BLE001 - raised where the parts are awaited, whatever it is
        made.put(error)
    finally:
        made.put(None)
