"""Images from their registries, taken by crane and kept under the very names that a chart asks for."""

import os
import platform
import re
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from a1platform.bundle import file_digest
from sandbox.build.go import build
from sandbox.build.image import ImageFile
from sandbox.build.process import StalledError, run
from sandbox.official.archive import adopt, image_id
from sandbox.official.places import Fetch, Places
from sandbox.progress import Progress, now_and_then, step
from sandbox.recipes.crane import PROGRAM
from sandbox.toolchain.reach import ReleaseError, UnreachableError
from sandbox.toolchain.release import CutError, MissingError

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_TRIES = 3
_PAUSE_SECONDS = 1.0
_NOT_REACHED = ("dial tcp",)
"""What crane says where it cannot connect to a server, be it one that a registry names for its blobs."""
_REFUSED = (
    *("MANIFEST_UNKNOWN", "NAME_UNKNOWN", "UNAUTHORIZED", "DENIED", "no child with platform"),
    *("401 Unauthorized", "403 Forbidden", "404 Not Found"),
)
"""What it says where a registry answers that it has no such image, or none for us."""


def take_images(references: Iterable[str], fetch: Fetch) -> list[ImageFile]:
    """Take images for the kind of this machine; those that an interrupted run has taken are not taken again.

    Args:
        references: Their whole names.
        fetch: How.

    Raises:
        UnreachableError: A registry does not answer.
        ReleaseError: A registry answers, but not with the image, or not to the end.
        BuildError: Crane cannot be built.
    """
    wanted = sorted(references)
    fetch.places.ask(fetch.places.registry(reference) for reference in wanted)
    for reference in wanted:
        if "@" in reference:
            raise ReleaseError(f"{reference} is named by its digest, which no archive can carry as a name")
        fetch.places.require(fetch.places.registry(reference))
    crane = build(PROGRAM, fetch.cache, fetch.progress) / "crane" if wanted else Path()
    return [_take(crane, reference, fetch) for reference in wanted]


def _take(crane: Path, reference: str, fetch: Fetch) -> ImageFile:
    name = re.sub(r"[^a-z0-9.]+", "-", reference.lower())
    path = fetch.downloads / f"{name}-{platform.machine()}.tar"
    if not path.exists():
        with (
            step(fetch.progress, f"image {reference}"),
            tempfile.TemporaryDirectory(prefix=".pull.", dir=fetch.downloads) as work,
        ):
            pulled, adopted = Path(work) / "pulled.tar", Path(work) / "adopted.tar"
            log = fetch.cache.folder("logs") / f"pull-{name}.log"
            _pull(_command(crane, fetch.places, reference, pulled), reference, log, fetch.progress)
            adopt(pulled, adopted, reference)
            adopted.replace(path)
    return ImageFile(path, file_digest(path), (reference,), image_id(path))


def _command(crane: Path, places: Places, reference: str, target: Path) -> list[str]:
    machine = _MACHINES.get(platform.machine(), platform.machine())
    insecure = ["--insecure"] if places.registry(reference).startswith("http://") else []
    return [
        *(str(crane), "pull", "--platform", f"linux/{machine}", *insecure),
        *(places.image(reference), str(target)),
    ]


def _pull(command: list[str], reference: str, log: Path, progress: Progress) -> None:
    target = Path(command[-1])

    def report(taken: str) -> None:
        size = target.stat().st_size if target.exists() else 0
        progress(f"  {reference}: {size / 1024**2:.0f} MiB, {taken}")

    said = ""
    for again in range(_TRIES):
        # Crane itself asks again what was cut before an answer, and nothing that was cut in its middle.
        time.sleep(_PAUSE_SECONDS * again)
        try:
            if run(command, target.parent, os.environ, log, now_and_then(report)) == 0:
                return
        except StalledError as problem:
            raise CutError(f"{reference}: {problem}; run it again later") from None
        said = (log.read_text(errors="replace").strip().splitlines() or ["crane says nothing"])[-1]
        if any(words in said for words in _NOT_REACHED):
            raise UnreachableError(f"{reference} cannot be reached: {said}")
        if any(words in said for words in _REFUSED):
            raise MissingError(f"{reference}: the registry has no such image for us: {said}")
    raise CutError(f"{reference}: cut or put off {_TRIES} times, run it again later: {said}")
