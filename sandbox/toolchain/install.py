"""Bring what is missing: from this machine, a bundle, its official release, or built from Go modules."""

import json
import os
import platform
import shutil
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from a1platform.bundle import FILE, Bundle, BundleError, BundlePlugin, file_digest
from sandbox.build.go import build
from sandbox.build.go import download as download_module
from sandbox.cache import Cache
from sandbox.progress import Progress, step
from sandbox.toolchain.environment import Installed, Toolchain
from sandbox.toolchain.parts import ORIGIN_FILE, PARTS, PULUMI_PROGRAMS, Part
from sandbox.toolchain.reach import ReleaseError, SlowError, UnreachableError
from sandbox.toolchain.release import CutError, MissingError, Releases, download, listed_sha256, read_text

_ASKED_AGAIN_AFTER_SECONDS = 3600
_ASKED_AGAIN_WITHIN_SECONDS = 1.0


@dataclass(frozen=True)
class _Origin:
    """What is written beside a part about where it came from.

    Attributes:
        words: For a person.
        recipe: Digest of the recipes that built it, empty where none did.
        found: Files of this machine that it links to, with size and time of change.
        asked: When the official release was last asked for, in seconds since the epoch.
    """

    words: str
    recipe: str = ""
    found: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    asked: float = 0


@dataclass(frozen=True)
class _Asked:
    """Where parts that are not on this machine are looked for, and how.

    Attributes:
        releases: Where they lie.
        patient: Whether a slow server is waited for before a stand-in is kept.
        bundle: What comes before them.
    """

    releases: Releases
    patient: bool
    bundle: Bundle | None


def ensure(
    cache: Cache,
    progress: Progress,
    releases: Releases | None = None,
    *,
    bundle: Bundle | None = None,
    patient: bool = False,
) -> Toolchain:
    """Return the toolchain, with whatever was missing of it brought.

    For each part, in this order: what is already there; the bundle, and the official release, each verified
    by the digest in its list; built from Go modules, where the release cannot be reached. The stand-in for
    the command plugin gives way to the official one as soon as that can be had. Interrupted downloads and
    builds go on where they were.

    Args:
        cache: Where it stands.
        progress: Takes one line per part that was brought, and more while that lasts; nothing otherwise.
        releases: Where releases lie.
        bundle: The bundle that is configured, where one is.
        patient: Whether a slow server is waited for before a stand-in is kept, too; before something is built
            it always is.

    Raises:
        BundleError: A part's file in the bundle is missing or another one.
        ReleaseError: A release answers, but not with the file that its list names, or not to the end.
        BuildError: A part does not build.
    """
    there = [_present(cache, part, bundle) for part in PARTS]
    if not all(there):
        asked = _Asked(releases or Releases(), patient=patient, bundle=bundle)
        with cache.lock("toolchain"):
            there = [_present(cache, part, bundle) or _bring(cache, part, asked, progress) for part in PARTS]
            shutil.rmtree(cache.root / "downloads" / "pulumi", ignore_errors=True)
    parts = tuple(part for part in there if part)
    return Toolchain(parts, cache.root / PULUMI_PROGRAMS.folder, cache.root / "pulumi-home")


def has_toolchain(cache: Cache) -> bool:
    """Tell whether nothing of the toolchain has to be downloaded or built.

    Args:
        cache: Where it stands.
    """
    return all(_is_there(cache, part) for part in PARTS)


def _is_there(cache: Cache, part: Part) -> bool:
    origin = _read(cache, part)
    return bool((origin and _is_current(part, origin)) or part.find(cache.root))


def _present(cache: Cache, part: Part, bundle: Bundle | None) -> Installed | None:
    origin = _read(cache, part)
    if not origin or not _is_current(part, origin):
        return None
    if part.stand_in and origin.recipe:
        due = time.time() - origin.asked > _ASKED_AGAIN_AFTER_SECONDS
        if due or part.find(cache.root) or _bundled(part, bundle):
            return None
    return _installed(cache, part, origin)


def _is_current(part: Part, origin: _Origin) -> bool:
    if origin.recipe:
        return origin.recipe == part.digest()
    return all(_stamp(Path(path)) == tuple(stamp) for path, stamp in origin.found.items())


def _bring(cache: Cache, part: Part, asked: _Asked, progress: Progress) -> Installed:
    releases = asked.releases
    old = _read(cache, part)
    kept = old if part.stand_in and old and old.recipe and _is_current(part, old) else None
    hasty = kept is not None and not asked.patient
    if files := part.find(cache.root):
        installed = _link(cache, part, files)
    elif plugins := _bundled(part, asked.bundle):
        installed = _from_bundle(cache, part, plugins)
    else:
        try:
            releases.require(*((_ASKED_AGAIN_WITHIN_SECONDS,) if hasty else ()))
            with step(progress, f"{part.name} {part.version} from {releases.base}"):
                installed = _from_release(cache, part, releases, progress)
        except ReleaseError as error:
            if kept and hasty and isinstance(error, (SlowError, CutError)):
                # Not written down as asked, so that the next run asks again.
                return _installed(cache, part, kept)
            if not isinstance(error, (UnreachableError, MissingError)):
                raise type(error)(f"{part.name} {part.version}: {error}") from error
            if kept:
                return _write(cache, part, _Origin(kept.words, kept.recipe, asked=time.time()))
            progress(
                f"{part.name} {part.version}: {_not_in(asked.bundle, part)}no official release ({error})"
            )
            with step(progress, f"{part.name} {part.version} from Go modules"):
                installed = _from_modules(cache, part, progress)
    progress(str(installed))
    return installed


def _link(cache: Cache, part: Part, files: Mapping[str, Path]) -> Installed:
    origin = _Origin(
        f"already on this machine, {files[part.files[0]].parent}",
        found={str(path): _stamp(path) for path in files.values()},
    )
    with cache.making(cache.root / part.folder) as folder:
        for name, path in files.items():
            (folder / name).symlink_to(path)
        _save(folder, origin)
    return _installed(cache, part, origin)


def _bundled(part: Part, bundle: Bundle | None) -> Sequence[BundlePlugin]:
    """Return a part's files in a bundle; nothing where they are not all there for this machine."""
    wanted = (part.version, platform.machine())
    held = bundle.plugins if bundle else ()
    found = {plugin.name: plugin for plugin in held if (plugin.version, plugin.machine) == wanted}
    return [found[name] for name in part.files] if found.keys() >= set(part.files) else []


def _not_in(bundle: Bundle | None, part: Part) -> str:
    return f"not in the bundle ({bundle.left_out.get(part.name, 'never put there')}), " if bundle else ""


def _from_bundle(cache: Cache, part: Part, plugins: Sequence[BundlePlugin]) -> Installed:
    origin = _Origin(f"from the bundle, sha256 {plugins[0].sha256[:12]}... verified; {plugins[0].origin}")
    with cache.making(cache.root / part.folder) as folder:
        for plugin in plugins:
            # Of what is used, and not of what lies in the bundle a moment before.
            target = folder / plugin.name
            try:
                shutil.copyfile(plugin.path, target)
            except FileNotFoundError:
                raise BundleError(f"{plugin.path} is missing; copy or make the bundle again") from None
            if file_digest(target) != plugin.sha256:
                problem = f"{plugin.path} is not the file that {FILE} describes"
                raise BundleError(f"{problem}; copy or make the bundle again")
            target.chmod(0o755)
        _save(folder, origin)
    return _installed(cache, part, origin)


def _from_release(cache: Cache, part: Part, releases: Releases, progress: Progress) -> Installed:
    url, checksums = part.official.urls(releases)
    sha256 = listed_sha256(read_text(checksums), part.official.file)
    archive = cache.root / "downloads" / "pulumi" / part.official.file
    download(url, sha256, archive, progress)
    origin = _Origin(f"official release, sha256 {sha256[:12]}... verified")
    with cache.making(cache.root / part.folder) as folder:
        _unpack(archive, part.files, folder, url)
        _save(folder, origin)
    return _installed(cache, part, origin)


def _unpack(archive: Path, files: tuple[str, ...], folder: Path, url: str) -> None:
    missing = set(files)
    with tarfile.open(archive) as tar:
        for member in tar:
            name = Path(member.name).name
            content = tar.extractfile(member) if name in missing and member.isfile() else None
            if content:
                with content, (folder / name).open("wb") as output:
                    shutil.copyfileobj(content, output)
                (folder / name).chmod(0o755)
                missing.discard(name)
    if missing:
        raise MissingError(f"{url} holds no {', '.join(sorted(missing))}")


def _from_modules(cache: Cache, part: Part, progress: Progress) -> Installed:
    built = [(recipe, build(recipe, cache, progress)) for recipe in part.recipes]
    kind = "a stand-in (test equipment) built" if part.stand_in else "built"
    modules = " and ".join(f"{recipe.module}@{recipe.version}" for recipe in part.recipes)
    origin = _Origin(f"{kind} from Go modules, {modules}", recipe=part.digest(), asked=time.time())
    with cache.making(cache.root / part.folder) as folder:
        for recipe, programs in built:
            for program in recipe.programs:
                os.link(programs / program, folder / program)
        if part.scripts:
            module = download_module(part.recipes[-1], cache)
            for name, path in part.scripts.items():
                shutil.copyfile(module / path, folder / name)
                (folder / name).chmod(0o755)
        _save(folder, origin)
    return _installed(cache, part, origin)


def _installed(cache: Cache, part: Part, origin: _Origin) -> Installed:
    stand_in = part.stand_in and bool(origin.recipe)
    return Installed(part.name, part.version, cache.root / part.folder, origin.words, stand_in)


def _read(cache: Cache, part: Part) -> _Origin | None:
    try:
        return _Origin(**json.loads((cache.root / part.folder / ORIGIN_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(cache: Cache, part: Part, origin: _Origin) -> Installed:
    _save(cache.root / part.folder, origin)
    return _installed(cache, part, origin)


def _save(folder: Path, origin: _Origin) -> None:
    new = folder / f".{ORIGIN_FILE}"
    new.write_text(json.dumps(asdict(origin)) + "\n")
    new.replace(folder / ORIGIN_FILE)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError:
        return (0, 0)
    return facts.st_size, facts.st_mtime_ns
