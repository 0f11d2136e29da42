"""Archives of images as crane writes them, under the names that they are asked for by."""

import io
import json
import tarfile
from pathlib import Path
from typing import IO, Any


def adopt(archive: Path, target: Path, reference: str) -> None:
    """Write an archive anew with one name: crane gives an image that of the mirror which it came from.

    Args:
        archive: A docker-archive with one image.
        target: The new one.
        reference: The name, with its tag.
    """
    with tarfile.open(archive) as theirs, tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as ours:
        image = _image(theirs)
        _add(ours, "manifest.json", io.BytesIO(json.dumps([{**image, "RepoTags": [reference]}]).encode()))
        for name in dict.fromkeys((image["Config"], *image["Layers"])):
            _add(ours, name, _member(theirs, name))


def image_id(archive: Path) -> str:
    """Return the digest of an image's configuration, by which crane names the file in its archive."""
    with tarfile.open(archive) as theirs:
        return str(_image(theirs)["Config"])


def _image(archive: tarfile.TarFile) -> dict[str, Any]:
    [image] = json.load(_member(archive, "manifest.json"))
    return dict(image)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    content = archive.extractfile(name)
    if content is None:
        raise OSError(f"{archive.name!s}: {name} is no file")
    return content


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = content.seek(0, io.SEEK_END)
    content.seek(0)
    archive.addfile(entry, content)
