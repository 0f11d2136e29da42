"""What the tests stand on, made before they begin, so that no test's time limit pays for a build."""

from functools import partial

from a1platform.versions import K3S
from sandbox.build.compiler import ensure_compiler
from sandbox.build.go import build
from sandbox.bundle import make_bundle, ready_parts
from sandbox.bundle_list import add_k3s
from sandbox.cache import Cache
from sandbox.k3s_source import k3s_source
from sandbox.leftovers import remove_leftovers
from sandbox.progress import Progress
from sandbox.recipes.gatekeeper import GATOR
from sandbox.side_by_side import both
from sandbox.toolchain import ensure


def prepare(cache: Cache, progress: Progress) -> None:
    """Make the toolchain, K3s, the whole bundle and the policies' tester.

    Args:
        cache: Where they are kept; in no time where they are there.
        progress: Takes a line per step.

    Raises:
        BuildError: Something does not build.
        BundleError: A part cannot be made.
        ReleaseError: A release answers with another file than its checksums name.
    """
    if ready_parts(cache)[1]:
        ensure_compiler(progress)
    both(progress, partial(ensure, cache), partial(_prepare_cluster, cache))
    remove_leftovers(cache, progress)


def _prepare_cluster(cache: Cache, progress: Progress) -> None:
    k3s = k3s_source(cache, progress)
    folder = make_bundle(cache, progress)
    add_k3s(folder, K3S, k3s.path, k3s.origin)
    build(GATOR, cache, progress)
