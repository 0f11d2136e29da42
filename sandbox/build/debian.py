"""Files from Debian packages, for images: from the machine's own package sources, unpacked without dpkg.

apt checks the signatures of the package index; each package is checked against the digest in that index.
"""

import hashlib
import io
import os
import re
import subprocess
import tarfile
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from sandbox.cache import Cache
from sandbox.progress import Progress, step

LEFT_OUT = (
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/bug",
)
"""What no image needs."""

# In bookworm these are links, yet packages still ship files under the old names.
_MERGED = ("bin", "sbin", "lib", "lib64")


class DebianError(RuntimeError):
    """A package cannot be had or is not what the index says; the text says which one and why."""


def closure(cache: Cache, names: Iterable[str], without: Collection[str] = ()) -> tuple[str, ...]:
    """Return packages with what they depend on, sorted.

    Args:
        cache: Keeps apt's own index cache.
        names: The packages wanted.
        without: Packages that are not followed, such as an interpreter that the wanted program calls seldom.

    Raises:
        DebianError: apt does not know a package, or a dependency is only virtual.
    """
    found: set[str] = set()
    wanted = set(names)
    while wanted:
        found |= wanted
        needed: set[str] = set()
        with cache.lock("debs"):
            stanzas = _stanzas(cache, sorted(wanted))
        for stanza in stanzas:
            for kind in ("Depends", "Pre-Depends"):
                for entry in filter(None, stanza.get(kind, "").split(", ")):
                    # Of alternatives the first one, as apt itself prefers it.
                    needed.add(re.split(r"[ :|]", entry.strip(), maxsplit=1)[0])
        wanted = needed - found - set(without)
    return tuple(sorted(found))


def download(cache: Cache, progress: Progress, names: Sequence[str]) -> list[Path]:
    """Return the package files at the versions that apt offers now, downloaded where they are missing.

    Raises:
        DebianError: A package cannot be had, or its bytes are not what the index says.
    """
    folder = cache.folder("debs")
    with cache.lock("debs"):
        files = {_file_name(stanza): stanza["SHA256"] for stanza in _stanzas(cache, names, progress)}
        missing = [name.split("_", 1)[0] for name in files if not (folder / name).is_file()]
        if missing:
            with step(progress, f"downloading {len(missing)} Debian packages"):
                _get(cache, missing)
        for name, expected in files.items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
                (folder / name).unlink()
                raise DebianError(f"{name} is not what the package index says; it was removed, try again")
    return [folder / name for name in sorted(files)]


def unpack(packages: Iterable[Path], root: Path, left_out: Sequence[str] = LEFT_OUT) -> None:
    """Unpack packages into a folder with Debian's merged layout; no maintainer script runs.

    Raises:
        DebianError: A package is damaged.
    """
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        done = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], capture_output=True, check=False)
        if done.returncode:
            raise DebianError(f"{package.name}: {done.stderr.decode(errors='replace')}")
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            for member in archive:
                path = _placed(member.name, left_out)
                if path is None or member.isdir():
                    continue
                member.name = path
                if member.islnk():
                    member.linkname = _placed(member.linkname, left_out) or member.linkname
                archive.extract(member, root, filter="tar")


def record(packages: Iterable[Path], root: Path) -> None:
    """Write down which packages a folder holds, where scanners of images look in the absence of dpkg.

    The place is that of Google's distroless images, which OSV-Scanner, Trivy and Syft read.

    Raises:
        DebianError: A package is damaged.
    """
    folder = root / "var" / "lib" / "dpkg" / "status.d"
    folder.mkdir(parents=True)
    for package in packages:
        done = subprocess.run(
            ["dpkg-deb", "--field", str(package)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DebianError(f"{package.name}: {done.stderr.strip()}")
        (folder / package.name.split("_", 1)[0]).write_text(done.stdout)


def _stanzas(cache: Cache, names: Sequence[str], progress: Progress | None = None) -> list[dict[str, str]]:
    """What the package index says about packages; a machine that never asked for the index asks now."""
    show = ("apt-cache", "show", "--no-all-versions", *names)
    done = _apt(cache, *show)
    if done.returncode and os.geteuid() == 0:
        if progress:
            progress("asking for Debian's package index")
        _apt(cache, "apt-get", "update", "--quiet=2")
        done = _apt(cache, *show)
    if done.returncode:
        raise DebianError(f"apt knows not all packages (run apt-get update): {done.stderr.strip()[-2000:]}")
    stanzas = []
    for text in done.stdout.strip().split("\n\n"):
        lines = (line for line in text.splitlines() if ": " in line and line[0] != " ")
        stanzas.append(dict(line.split(": ", 1) for line in lines))
    virtual = set(names) - {stanza["Package"] for stanza in stanzas}
    if virtual:
        raise DebianError(f"not packages of their own: {', '.join(sorted(virtual))}")
    return stanzas


def _get(cache: Cache, names: Sequence[str]) -> None:
    folder = cache.folder("debs")
    command = ("apt-get", "download", "--quiet=2", *names)
    done = _apt(cache, *command, folder=folder)
    if done.returncode and os.geteuid() == 0:
        # An old index names versions that the server has replaced since.
        _apt(cache, "apt-get", "update", "--quiet=2")
        done = _apt(cache, *command, folder=folder)
    if done.returncode:
        raise DebianError(f"packages not downloaded: {done.stderr.strip()[-2000:]}")


def _apt(cache: Cache, *command: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    # Container images switch apt's parsed index off; without one every call takes seconds.
    index = cache.folder("apt")
    options = (f"-oDir::Cache::{kind}={index / kind}.bin" for kind in ("pkgcache", "srcpkgcache"))
    try:
        return subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise DebianError(f"{command[0]} is missing: images with Debian's files are made on Debian") from None


def _file_name(stanza: dict[str, str]) -> str:
    return f"{stanza['Package']}_{stanza['Version'].replace(':', '%3a')}_{stanza['Architecture']}.deb"


def _placed(name: str, left_out: Sequence[str]) -> str | None:
    """Where a package's file goes; None for what is left out."""
    parts = PurePosixPath(name).parts
    if not parts:
        return None
    path = PurePosixPath("usr", *parts) if parts[0] in _MERGED else PurePosixPath(*parts)
    if any(path.is_relative_to(folder) for folder in left_out):
        return None
    return str(path)
