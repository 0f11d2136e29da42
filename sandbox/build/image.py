"""Write container images without an engine: docker-archive files, the same bytes in every build."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from a1platform.bundle import file_digest

_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class ImageFile:
    """An image in a file.

    Attributes:
        path: A tar in docker-archive format, as `docker load` and K3s's image folder take it.
        sha256: Digest of that file, hexadecimal.
        references: Names with tags that it carries.
        image_id: Digest of its configuration, `sha256:...`, which the engine calls the image's ID.
    """

    path: Path
    sha256: str
    references: tuple[str, ...]
    image_id: str

    @property
    def reference(self) -> str:
        """The first of the names."""
        return self.references[0]


@dataclass(frozen=True)
class ImageSettings:
    """What an image says about how to run it.

    Attributes:
        entrypoint: Program with its fixed arguments.
        command: Arguments that a pod may replace.
        environment: Variables.
        user: User and group, numeric, such as `999:999`.
        ports: Ports, such as `8080/tcp`.
        labels: Labels, such as the title.
        folder: Working folder.
        owners: User that owns a folder or file and all below it, where that is not root; path to number.
    """

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = "65532:65532"
    ports: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    owners: Mapping[str, int] = field(default_factory=dict)


def write_image(root: Path, path: Path, references: Sequence[str], settings: ImageSettings) -> ImageFile:
    """Write a folder as an image of one layer; the file appears whole or not at all.

    Args:
        root: The image's file system.
        path: Where the archive goes; a record of its digests is kept beside it.
        references: Names with tags.
        settings: How it runs.
    """
    partial = path.with_suffix(".partial")
    layer_file = path.with_suffix(".layer")
    try:
        with layer_file.open("w+b") as layer:
            _layer(root, layer, settings.owners)
            layer.seek(0)
            diff_id = hashlib.file_digest(layer, "sha256").hexdigest()
            config = json.dumps(_config(diff_id, settings), sort_keys=True).encode()
            image_id = hashlib.sha256(config).hexdigest()
            manifest = [
                {"Config": f"{image_id}.json", "RepoTags": list(references), "Layers": [f"{diff_id}.tar"]}
            ]
            with (
                partial.open("wb") as out,
                tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive,
            ):
                _member(archive, "manifest.json", io.BytesIO(json.dumps(manifest).encode()))
                _member(archive, f"{image_id}.json", io.BytesIO(config))
                _member(archive, f"{diff_id}.tar", layer)
        digest = file_digest(partial)
        partial.replace(path)
    finally:
        layer_file.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
    image = ImageFile(path, digest, tuple(references), f"sha256:{image_id}")
    record = {"sha256": digest, "references": list(references), "id": image.image_id}
    _record(path).write_text(json.dumps(record))
    return image


def find_image(path: Path) -> ImageFile | None:
    """Return an image that `write_image` wrote, or None where it is missing or another than was written.

    It is read for that: the bundle links to the archive, so neither its times nor its inode tell who has
    touched it. Nobody asks for an image of a part that is ready.
    """
    try:
        record = json.loads(_record(path).read_text())
        if record["sha256"] != file_digest(path):
            return None
        return ImageFile(path, record["sha256"], tuple(record["references"]), record["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record(path: Path) -> Path:
    return path.with_suffix(".json")


def _member(archive: tarfile.TarFile, name: str, content: BinaryIO) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = content.seek(0, io.SEEK_END)
    content.seek(0)
    archive.addfile(entry, content)


def _layer(root: Path, out: BinaryIO, owners: Mapping[str, int]) -> None:
    """Every file, in order, without times, as root's or its owner's."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        inside = [
            owner
            for path, owner in sorted(owners.items())
            if f"/{entry.name}/".startswith(f"/{path.strip('/')}/")
        ]
        entry.uid = entry.gid = inside[-1] if inside else 0
        entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for path in sorted(root.rglob("*")):
            layer.add(path, str(path.relative_to(root)), recursive=False, filter=plain)


def _config(diff_id: str, settings: ImageSettings) -> dict[str, object]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": _EPOCH,
        "config": {
            "Entrypoint": list(settings.entrypoint),
            "Cmd": list(settings.command),
            "Env": [f"{name}={value}" for name, value in sorted(settings.environment.items())],
            "ExposedPorts": {port: {} for port in settings.ports},
            "Labels": dict(settings.labels),
            "User": settings.user,
            "WorkingDir": settings.folder,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
        "history": [{"created": _EPOCH, "created_by": "a1platform"}],
    }
