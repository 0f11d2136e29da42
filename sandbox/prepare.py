"""What the tests stand on, made before they begin, so that no test's time limit pays for a build."""

import contextlib
import math
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from a1platform.versions import K3S
from sandbox.build.compiler import ensure_compiler
from sandbox.build.go import build
from sandbox.bundle import make_bundle, ready_parts
from sandbox.bundle_list import add_k3s
from sandbox.cache import Cache
from sandbox.engine import require_engine
from sandbox.fitness import UnfitError, require_debian
from sandbox.git_repository import ensure_git
from sandbox.k3s_source import held_k3s, k3s_source
from sandbox.leftovers import remove_leftovers
from sandbox.node.image import ensure_root, require_image
from sandbox.progress import Progress
from sandbox.recipes.crane import PROGRAM as CRANE
from sandbox.recipes.gatekeeper import GATEKEEPER
from sandbox.side_by_side import both, within
from sandbox.toolchain import ensure

_REST = "rest-of-the-bundle"
"""The lock of who makes the parts that no test on a node installs."""
NODE_PARTS = ("system", "gatekeeper")
"""Parts of the bundle that the tests on nodes install, but for the long ones."""


def prepare(cache: Cache, progress: Progress) -> None:
    """Make the toolchain, the policies' tester, crane, the node's files, K3s and the whole bundle.

    Where no sandbox can be made, that is told, and the tests begin all the same: those that need one are
    skipped with this reason. What could be made and was not is an error.

    Args:
        cache: Where they are kept; in no time where they are there.
        progress: Takes a line per step.

    Raises:
        BuildError: Something does not build.
        BundleError: A part cannot be made, or there is too little disk or memory.
        ReleaseError: A release answers with another file than its checksums name.
        AptError: A Debian package cannot be installed.
        EngineError: The node's files cannot be made.
    """
    prepare_nodes(cache, progress)
    prepare_rest(cache, progress)


def prepare_nodes(cache: Cache, progress: Progress) -> None:
    """Make what the tests on nodes stand on, of the bundle `NODE_PARTS`; see `prepare`."""
    both(progress, partial(_make_tools, cache), partial(_make_sandbox, cache))


def prepare_rest(cache: Cache, progress: Progress, seconds: float = math.inf) -> None:
    """Make the other parts of the bundle, and take away what the builds leave; see `prepare`.

    Args:
        cache: Where they are kept.
        progress: Takes a line per step.
        seconds: How long that may take; `left_for_later` names what was not made by then.
    """
    # Which is told by then.
    with contextlib.suppress(UnfitError), cache.lock(_REST):
        require_fit(cache)
        _later(cache).unlink(missing_ok=True)
        if not within(seconds, progress, partial(make_bundle, cache)):
            missing = ready_parts(cache)[1]
            _later(cache).write_text("\n".join(missing), encoding="utf-8")
            progress(f"{', '.join(missing)}: left for the next run, as the time for builds is over")
    remove_leftovers(cache, progress)


def left_for_later(cache: Cache) -> list[str]:
    """Return the parts that the last `prepare_rest` had no time to make, once none is under way."""
    with cache.lock(_REST):
        left = _later(cache).read_text(encoding="utf-8").split() if _later(cache).exists() else []
    # What `make up` has made since is there.
    missing = ready_parts(cache)[1] if left else []
    return [name for name in left if name in missing]


def _later(cache: Cache) -> Path:
    return cache.folder("work") / "left-for-later"


def _make_tools(cache: Cache, progress: Progress) -> None:
    """Make what needs nothing of Debian's."""
    ensure(cache, progress)
    for recipe in (GATEKEEPER, CRANE):
        build(recipe, cache, progress)


def _make_sandbox(cache: Cache, progress: Progress) -> None:
    try:
        _, missing = require_fit(cache)
        ensure_git(progress)
        if missing:
            ensure_compiler(progress)
            # Here, where builds run beside it: it takes two minutes of little work.
            ensure_root(cache, progress)
        k3s = k3s_source(cache, progress)
        add_k3s(make_bundle(cache, progress, NODE_PARTS), K3S, k3s.path, k3s.origin)
    except UnfitError as error:
        progress(f"no sandbox can be made here, and tests that need one are skipped: {error}")


def require_fit(cache: Cache, parts: Iterable[str] | None = None) -> tuple[list[str], list[str]]:
    """Return where an engine and what a sandbox is made from are there, or can be had; makes nothing.

    Args:
        cache: Where they are kept.
        parts: Names of the bundle's parts that are wanted; all by default.

    Returns:
        What `ready_parts` does, which takes reading every recipe's files to find out.

    Raises:
        UnfitError: Something is missing, and this machine is not one that it can be made on.
        BundleError: A name is unknown, or there is too little disk or memory to make what is missing.
    """
    require_engine(cache)
    # Before disk and memory are looked at: another distribution does not get fit by more of them.
    if held_k3s(cache) is None:
        require_debian()
    ready, missing = ready_parts(cache, parts)
    if missing:
        require_debian()
    require_image(cache)
    return ready, missing
