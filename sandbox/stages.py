"""Install on the sandbox node what is there, and each further part as soon as it is made."""

import queue
import threading
from collections.abc import Callable, Sequence

from sandbox.bundle import held_parts, make_bundle, ready_parts
from sandbox.cache import Cache
from sandbox.progress import Progress

_FIRST = "system"


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
    made: queue.SimpleQueue[str | Exception | None] = queue.SimpleQueue()
    builder = threading.Thread(target=_build, args=(cache, progress, wanted, made), daemon=True)
    builder.start()
    # What an earlier recipe made goes on until today's takes its place: to leave it out would uninstall it.
    there = held_parts(cache, wanted)
    failure: Exception | None = None
    pending = True
    while pending:
        news = [made.get()]
        while not made.empty():
            news.append(made.get())
        failure = next((entry for entry in news if isinstance(entry, Exception)), failure)
        pending = None not in news
        arrived = [entry for entry in news if isinstance(entry, str)]
        there = list(dict.fromkeys((*there, *arrived)))
        if arrived and _FIRST in there:
            install(there)
    if failure:
        raise failure


def _build(
    cache: Cache,
    progress: Progress,
    wanted: Sequence[str] | None,
    made: "queue.SimpleQueue[str | Exception | None]",
) -> None:
    try:
        make_bundle(cache, progress, wanted, on_part=made.put)
    except Exception as error:  # noqa: BLE001 - raised where the parts are awaited, whatever it is
        made.put(error)
    finally:
        made.put(None)
