"""Make the bundle's parts: images and charts, official ones or built on this machine; see docs/bundle.md."""

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from a1platform.bundle import BundleError, file_digest, load
from sandbox.build.chart import ChartError
from sandbox.build.compiler import ensure_compiler
from sandbox.build.debian import DebianError
from sandbox.build.go import GO_FOLDERS, BuildError
from sandbox.bundle_list import drop, read_list, remove_unlisted, update
from sandbox.bundle_part import Job, make_part
from sandbox.cache import Cache
from sandbox.k3s_source import held_k3s
from sandbox.official.places import Places
from sandbox.parts import PARTS, Part
from sandbox.progress import Progress
from sandbox.recipes.services import ServicesImageError
from sandbox.side_by_side import available_memory, two_at_a_time
from sandbox.toolchain import ReleaseError, has_toolchain

_ROOT = Path(__file__).parents[1]
_MEMORY = 3 * 1024**3
_BESIDE = 7 * 1024**3
"""What Pulumi's programs and K3s, which come before the parts, take together where they are built."""
_LINES = 15
_FAILURES = (BuildError, ChartError, DebianError, ReleaseError, ServicesImageError, OSError)


class PartsError(BundleError):
    """Some parts could not be made; those that could are in the bundle, and the next run resumes.

    Attributes:
        folder: The bundle.
        failures: Part to why, with the last lines of what failed.
    """

    def __init__(self, folder: Path, failures: Mapping[str, str]) -> None:
        """Remember what failed."""
        self.folder, self.failures = folder, dict(failures)
        told = "\n".join(f"{name}: {why}" for name, why in failures.items())
        super().__init__(f"not made: {', '.join(failures)}; run it again, and it goes on there\n{told}")


def bundle_folder(cache: Cache) -> Path:
    """Return where the bundle stands."""
    return cache.root / "bundle"


def make_bundle(
    cache: Cache,
    progress: Progress,
    parts: Iterable[str] | None = None,
    on_part: Callable[[str], None] | None = None,
    places: Places | None = None,
) -> Path:
    """Make the bundle's parts that are missing or whose recipe changed.

    Each is taken from its official places, or built where one of these cannot be reached; whichever it was,
    it stays until its pins or its recipe change, so that nothing is asked for what is there. bundle.json
    names a part as soon as it is there, so that it can be installed while others are made.

    Args:
        cache: Where sources, programs and the bundle are kept.
        progress: Takes a line per step, and one every 15 s of a build.
        parts: Names of `PARTS`; all of them by default.
        on_part: Called with the name of each part when it is there, at once for those that were there before;
            also from other threads.
        places: Where chart repositories and registries are asked for.

    Returns:
        The bundle's folder.

    Raises:
        BundleError: A name is unknown, or there is too little disk or memory; nothing was built then.
        UnfitError: There is no C compiler, and none can be installed; nothing was built then.
        PartsError: Some parts could not be made; all others were.
    """
    wanted = chosen(parts)
    folder = bundle_folder(cache)
    # Where nobody makes a part, which is listed at its end.
    with cache.lock_if_free(GO_FOLDERS) as free:
        if free:
            remove_unlisted(folder)
    ready = _ready(folder, wanted, progress)
    missing = [part for part in wanted if part.name not in ready]
    _check_room(cache, _disk(missing))
    if missing:
        ensure_compiler(progress)
    for name in ready:
        if on_part:
            on_part(name)
    asked = places or Places()
    asked.ask(url for part in missing if part.official for url in part.official.addresses(asked))
    makers = [partial(_try, part, asked, cache, on_part) for part in missing]
    told = zip(missing, two_at_a_time(progress, makers), strict=True)
    failures = {part.name: why for part, why in told if why}
    if failures:
        raise PartsError(folder, failures)
    return folder


def _try(
    part: Part, places: Places, cache: Cache, on_part: Callable[[str], None] | None, progress: Progress
) -> str:
    """Make a part, and return why it could not be made, or nothing."""
    try:
        # Charts are made from modules' sources too, which nobody may remove meanwhile.
        with cache.lock(GO_FOLDERS, shared=True):
            make_part(Job(part, recipe_digest(part), bundle_folder(cache), cache, progress), places)
    except _FAILURES as problem:
        why = last_lines(problem)
        progress(f"{part.name}: NOT MADE: {why}")
        folder = bundle_folder(cache)
        # What an earlier recipe made goes on.
        if not _is_whole(folder, part.name):
            update(folder, partial(drop, name=part.name, why=why))
        return why
    if on_part:
        on_part(part.name)
    return ""


def last_lines(problem: Exception) -> str:
    """Return the end of a text that can be a compiler's, which is where it says why."""
    return "\n".join(str(problem).splitlines()[-_LINES:])


def ready_parts(cache: Cache, parts: Iterable[str] | None = None) -> tuple[list[str], list[str]]:
    """Return the names of the parts that are made by the recipes of today, and of those that are not.

    Raises:
        BundleError: A name is unknown, or there is too little disk or memory to make what is missing.
    """
    wanted = chosen(parts)
    ready = _ready(bundle_folder(cache), wanted)
    missing = [part for part in wanted if part.name not in ready]
    there = {"K3s": held_k3s(cache), "Pulumi": has_toolchain(cache)}
    before = [name for name, held in there.items() if not held]
    _check_room(cache, {**_disk(missing), **({" and ".join(before): _BESIDE} if before else {})})
    return ready, [part.name for part in missing]


def held_parts(cache: Cache, parts: Iterable[str] | None = None) -> list[str]:
    """Return the names of the parts that can be installed, whichever recipe made them."""
    return [part.name for part in chosen(parts) if _is_whole(bundle_folder(cache), part.name)]


def _is_whole(folder: Path, name: str) -> bool:
    try:
        load(folder).verify([name])
    except BundleError:
        return False
    return True


def chosen(parts: Iterable[str] | None) -> list[Part]:
    """Return parts by name in the order that they are built, with the parts that they need.

    Args:
        parts: Names; all parts by default that are not optional, and so with a name such as `+tracing`, which
            is added to them.

    Raises:
        BundleError: A name is unknown.
    """
    usual = [name for name, part in PARTS.items() if not part.optional]
    given = usual if parts is None else [name.strip() for name in parts if name.strip()]
    added = usual if any(name.startswith("+") for name in given) else ()
    names = [*added, *(name.removeprefix("+") for name in given)]
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise BundleError(f"unknown parts: {', '.join(unknown)}; known are {', '.join(PARTS)}")
    needed = {*names, *(other for name in names for other in PARTS[name].needs)}
    return [part for name, part in PARTS.items() if name in needed]


def recipe_digest(part: Part) -> str:
    """Return a digest of every file of ours that decides what a part holds."""
    total = hashlib.sha256(part.origin.encode())
    for source in sorted(part.sources):
        files = sorted(source.rglob("*")) if source.is_dir() else [source]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                total.update(f"{file.relative_to(_ROOT)}\0{file_digest(file)}\n".encode())
    return total.hexdigest()


def _recipes(part: Part) -> Collection[str]:
    """What a part is made by today: built, or taken; one kind does not take the place of the other."""
    return [recipe_digest(part), *([part.official.digest()] if part.official else [])]


def _ready(folder: Path, wanted: Sequence[Part], progress: Progress = lambda _line: None) -> list[str]:
    """The parts that are in the bundle, made by what makes them today, with every file as it was."""
    try:
        bundle = load(folder)
    except BundleError:
        return []
    listed = read_list(folder)["parts"]
    ready = []
    for part in wanted:
        if listed.get(part.name, {}).get("recipe") in _recipes(part):
            try:
                bundle.verify([part.name])
            except BundleError as problem:
                progress(f"{part.name}: {problem}")
                continue
            ready.append(part.name)
    return ready


def _disk(missing: Sequence[Part]) -> dict[str, int]:
    return {part.name: part.disk for part in missing}


def _check_room(cache: Cache, disk: Mapping[str, int]) -> None:
    """Tell too little disk or memory before the first build, not after twenty minutes."""
    if not disk:
        return
    cache.root.mkdir(parents=True, exist_ok=True)
    needed = sum(disk.values())
    free = shutil.disk_usage(cache.root).free
    if free < needed:
        raise BundleError(
            f"{', '.join(disk)}: about {_gib(needed)} of disk in {cache.root} are needed, {_gib(free)} are "
            "free; free some, or choose fewer parts"
        )
    memory = available_memory(_MEMORY)
    if memory < _MEMORY:
        raise BundleError(
            f"building needs about {_gib(_MEMORY)} of memory, {_gib(memory)} are available; end what uses it"
        )


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
