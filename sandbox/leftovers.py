"""What builds leave in the cache: sources and compiled packages, nine tenths of it once all is built."""

import shutil
from pathlib import Path

from sandbox.build.go import GO_FOLDERS
from sandbox.cache import Cache
from sandbox.progress import Progress, step

_ENOUGH = 2 * 1024**3


def remove_leftovers(cache: Cache, progress: Progress) -> None:
    """Remove what only a further build would use; the downloads stay, from which it starts without a network.

    Nothing is removed while another process builds.

    Args:
        cache: Where the builds were made.
        progress: Takes a line where something was removed.
    """
    go = cache.root / "go"
    with cache.lock_if_free(GO_FOLDERS) as free:
        if not free:
            return
        sources = (path for path in go.glob("mod/*") if path.name != "cache")
        leftovers = [path for path in (go / "build", *sources) if path.is_dir()]
        freed = sum(_size(path) for path in leftovers)
        if freed < _ENOUGH:
            return
        with step(progress, f"removing what the builds have left: {freed / 1024**3:.0f} GiB of {go}"):
            for path in leftovers:
                shutil.rmtree(path)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if not path.is_dir())
