"""Install on the sandbox node what is there, and each further part as soon as it is made."""

import queue
import threading
from collections.abc import Callable, Collection, Sequence

from sandbox.bundle import chosen, held_parts, make_bundle, ready_parts
from sandbox.cache import Cache
from sandbox.progress import Progress
from sandbox.side_by_side import end, until

_FIRST = "system"

_Made = queue.SimpleQueue[str | Exception | None]


def install_in_stages(
    cache: Cache,
    progress: Progress,
    parts: Sequence[str] | None,
    running: Collection[str],
    install: Callable[[Sequence[str]], None],
) -> None:
    """Install the cluster at once and the parts as they get ready, while the next ones are built.

    With everything made already there is one installation. What runs and is wanted is in each of them: an
    installation without it would remove it with its data, so there is none before the bundle holds it whole.

    Args:
        cache: Where the bundle is.
        progress: Takes a line per step.
        parts: Names of the parts that are wanted; all by default.
        running: Names of the parts that the node has.
        install: Installs the cluster with the parts of these names.

    Raises:
        BundleError: A name is unknown, or there is too little disk or memory; nothing was built or installed.
        PartsError: Some parts could not be made; all others are installed, or nothing where one of them runs.
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
        held = held_parts(cache, wanted)
        kept = [part.name for part in chosen({*ready, *missing} & {*running})]
        failure, lacking = _install_what_comes(made, held, kept, install)
    except BaseException:
        over.set()
        end(lambda: not builder.is_alive())
        raise
    if lacking:
        progress(
            f"nothing is changed on the node: {', '.join(lacking)} runs there, is not whole in the bundle, "
            "and would be removed with its data. Run `make up` again when it can be made, or choose PARTS "
            "without it to have it removed"
        )
    if failure:
        raise failure


def _install_what_comes(
    made: _Made, there: Sequence[str], kept: Sequence[str], install: Callable[[Sequence[str]], None]
) -> tuple[Exception | None, Sequence[str]]:
    """Install again and again with what has come; return why the rest did not, and what was waited for."""
    failure: Exception | None = None
    pending, due, lacking = True, False, list[str]()
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
        lacking = [name for name in kept if name not in there]
        if due and not lacking and _FIRST in there:
            install(there)
            due = False
    return failure, lacking


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
