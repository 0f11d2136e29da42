"""Make one part of the bundle: from its official places, or built where one of these cannot be reached."""

import hashlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a1platform.bundle import folder_digest
from sandbox.build.image import ImageFile
from sandbox.bundle_list import add, link, references, update
from sandbox.cache import Cache
from sandbox.chart_images import rendered, require_images
from sandbox.official.part import Official, take
from sandbox.official.places import Fetch, Places
from sandbox.parts import Part
from sandbox.progress import Progress, elapsed
from sandbox.toolchain.reach import UnreachableError


@dataclass(frozen=True)
class Job:
    """A part that is to be made.

    Attributes:
        part: The part.
        recipe: Digest of what it is built by.
        folder: The bundle's folder.
        cache: What it is made in.
        progress: Takes a line per step.
    """

    part: Part
    recipe: str
    folder: Path
    cache: Cache
    progress: Progress

    @property
    def chart(self) -> Path:
        """Where its chart stands."""
        return self.folder / "charts" / self.part.name


def make_part(job: Job, places: Places) -> None:
    """Put a part into the bundle, whole or not at all.

    Args:
        job: Which.
        places: Where repositories and registries are asked for.

    Raises:
        ReleaseError: An official place answers, but not with what is pinned, or not to the end.
        BuildError: An official place cannot be reached, and the part does not build; others as its recipe
            says.
        ChartError: Its chart asks for an image that nobody holds, or does not take our values.
    """
    start = time.monotonic()
    if job.part.official is None or not _take(job, job.part.official, places):
        _build(job)
    job.progress(f"{job.part.name}: ready in {elapsed(time.monotonic() - start)}")


def _take(job: Job, official: Official, places: Places) -> bool:
    """Take a part, or say which of its places cannot be reached."""
    name, cache = job.part.name, job.cache
    downloads = cache.folder("downloads", f"bundle-{name}")
    try:
        # Else two runs at once would take the same, and the first would remove what the other puts in.
        with cache.lock(f"bundle-{name}"):
            images = take(name, official, Fetch(places, cache, job.progress, downloads), job.chart)
            version = official.chart.version if official.chart else None
            _put(job, images, version, official.origin(images), official.digest())
            # Not kept: a second name of a file in the bundle is damaged with it.
            shutil.rmtree(downloads)
    except UnreachableError as problem:
        what = "chart and images" if official.chart else "images"
        job.progress(f"{name}: no official {what} ({problem})")
        shutil.rmtree(downloads)
        return False
    return True


def _build(job: Job) -> None:
    part, cache, progress = job.part, job.cache, job.progress
    progress(f"{part.name}: making it ({part.origin})")
    images = part.images(cache, progress)
    version = None
    if part.chart:
        with cache.making(job.chart) as out:
            version = part.chart(cache, progress, out)
            own = {name for image in images for name in image.references}
            held = own | references(job.folder, without=part.name)
            require_images(rendered(cache, progress, part.name, out), held)
    _put(job, images, version, part.origin, job.recipe)


def _put(job: Job, images: Sequence[ImageFile], version: str | None, origin: str, recipe: str) -> None:
    """Put images beside the chart that stands there already, where there is one, and both into the list."""
    placed = _placed(job.folder, job.part.name, images)
    chart = {"path": f"charts/{job.part.name}", "version": version, "sha256": folder_digest(job.chart)}
    entry = {"images": placed, "chart": chart if version else None, "origin": origin, "recipe": recipe}
    written = {image["path"]: image["sha256"] for image in placed}
    update(job.folder, lambda listed: add(listed, job.part.name, entry), written)


def _placed(folder: Path, part: str, images: Sequence[ImageFile]) -> list[dict[str, Any]]:
    # A folder named by its content: a run that has read the list may be sending what an earlier recipe made,
    # and sends whatever else is in the folder.
    content = hashlib.sha256("".join(sorted(image.sha256 for image in images)).encode()).hexdigest()
    entries = []
    for image in images:
        target = folder / "images" / part / content[:12] / f"{image.path.stem.rpartition('-')[0]}.tar"
        target.parent.mkdir(parents=True, exist_ok=True)
        link(image.path, target)
        path = str(target.relative_to(folder))
        entries.append({"path": path, "sha256": image.sha256, "references": list(image.references)})
    return entries
