"""What `a1 bundle build` does: the parts, and with the first of them K3s and Pulumi; see docs/bundle.md."""

import argparse
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from a1platform.bundle import BundleError
from a1platform.versions import K3S
from sandbox.apt import AptError
from sandbox.build.chart import ChartError
from sandbox.build.go import BuildError
from sandbox.bundle import PartsError, bundle_folder, chosen, last_lines, make_bundle, ready_parts
from sandbox.bundle_list import add_chart, add_k3s
from sandbox.bundle_plugins import add_plugins
from sandbox.cache import Cache
from sandbox.fitness import UnfitError
from sandbox.k3s_source import k3s_source
from sandbox.parts import PARTS
from sandbox.progress import Progress, to_terminal
from sandbox.toolchain import ensure

_COMES_WITH = "system"
"""The part that K3s and Pulumi's programs come with."""
_FAILURES = (RuntimeError, OSError, subprocess.SubprocessError)


def build_bundle(cache: Cache, progress: Progress, parts: Iterable[str] | None = None) -> Path:
    """Make what is missing of a bundle, each by itself: what fails is named, and the others go on.

    Args:
        cache: Where sources, programs and the bundle are kept.
        progress: Takes a line per step.
        parts: Names of `PARTS`; all of them by default.

    Returns:
        The bundle's folder.

    Raises:
        BundleError: A name is unknown, or there is too little disk or memory; nothing was built then.
        PartsError: K3s, Pulumi's programs or some parts could not be made; all others were.
    """
    names = [part.name for part in chosen(parts)]
    failures: dict[str, str] = {}
    if _COMES_WITH in names:
        # Refuses here what would else be refused after K3s is built.
        ready_parts(cache, names)
        for what, put in _PROGRAMS.items():
            try:
                put(cache, progress)
            except _FAILURES as problem:
                failures[what] = last_lines(problem)
                progress(f"{what}: NOT MADE: {failures[what]}")
    try:
        make_bundle(cache, progress, names)
    except PartsError as problem:
        failures |= problem.failures
    if failures:
        raise PartsError(bundle_folder(cache), failures)
    return bundle_folder(cache)


def _put_k3s(cache: Cache, progress: Progress) -> None:
    k3s = k3s_source(cache, progress)
    add_k3s(bundle_folder(cache), K3S, k3s.path, k3s.origin)


def _put_plugins(cache: Cache, progress: Progress) -> None:
    # What acts on machines in use is waited for.
    left_out = add_plugins(bundle_folder(cache), ensure(cache, progress, patient=True))
    for name, why in left_out.items():
        progress(f"{name}: left out: {why}")


_PROGRAMS: dict[str, Callable[[Cache, Progress], None]] = {"k3s": _put_k3s, "plugins": _put_plugins}


def main() -> int:
    """Make a bundle and print its folder."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.build_bundle", description="Make the bundle.")
    parser.add_argument("--parts", help=f"comma-separated, of {', '.join(PARTS)}")
    parser.add_argument(
        "--chart",
        nargs=3,
        metavar=("PART", "FOLDER", "ORIGIN"),
        help="put another chart into a part, such as upstream's own, instead of making anything",
    )
    given = parser.parse_args()
    # Told to end, it ends its compilers too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cache = Cache.default()
    try:
        if given.chart:
            part, chart, origin = given.chart
            path = add_chart(bundle_folder(cache), part, Path(chart), origin, to_terminal)
            print(path)  # noqa: T201 - as below
            return 0
        folder = build_bundle(cache, to_terminal, given.parts.split(",") if given.parts else None)
    except (BundleError, BuildError, ChartError, UnfitError, AptError) as problem:
        to_terminal(str(problem))
        return 1
    except KeyboardInterrupt:
        to_terminal("interrupted; run it again to go on")
        return 130
    print(folder)  # noqa: T201 - the result of the command
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
