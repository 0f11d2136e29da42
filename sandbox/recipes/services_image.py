"""The services' files as an image: a docker-archive, the same bytes in every build, without an engine."""

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sandbox.cache import Cache
from sandbox.progress import Progress, step
from sandbox.recipes.services import ENTRYPOINT, ENVIRONMENT, USER, Rootfs, services_rootfs

_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class ImageFile:
    """An image in a file.

    Attributes:
        path: A tar in docker-archive format, as `docker load` and K3s's image folder take it.
        sha256: Digest of that file, hexadecimal.
        reference: Name and tag in it.
        image_id: Digest of its configuration, `sha256:...`, which the engine calls the image's ID.
    """

    path: Path
    sha256: str
    reference: str
    image_id: str


def services_image(cache: Cache, progress: Progress) -> ImageFile:
    """Make the image of the five services, or find it in the cache; raises as `services_rootfs` does."""
    rootfs = services_rootfs(cache, progress)
    path = rootfs.folder.with_suffix(".tar")
    with cache.lock("services-image-archive"):
        if not path.is_file():
            with step(progress, f"writing {rootfs.reference}"):
                partial = path.with_suffix(".partial")
                with partial.open("wb") as out:
                    _archive(rootfs, out)
                partial.replace(path)
    with path.open("rb") as archive, tarfile.open(fileobj=archive) as members:
        names = [name for name in members.getnames() if name.endswith(".json") and name != "manifest.json"]
        archive.seek(0)
        digest = hashlib.file_digest(archive, "sha256").hexdigest()
    return ImageFile(path, digest, rootfs.reference, f"sha256:{names[0].removesuffix('.json')}")


def _archive(rootfs: Rootfs, out: BinaryIO) -> None:
    layer_file = rootfs.folder.with_suffix(".layer")
    with layer_file.open("w+b") as layer:
        _layer(rootfs.folder, layer)
        layer.seek(0)
        diff_id = hashlib.file_digest(layer, "sha256").hexdigest()
        config = json.dumps(_config(diff_id, rootfs.reference), sort_keys=True).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": name, "RepoTags": [rootfs.reference], "Layers": [f"{diff_id}.tar"]}]
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for member, content in (("manifest.json", json.dumps(manifest).encode()), (name, config)):
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            entry = tarfile.TarInfo(f"{diff_id}.tar")
            entry.size = layer.seek(0, io.SEEK_END)
            layer.seek(0)
            archive.addfile(entry, layer)
    layer_file.unlink()


def _layer(root: Path, out: BinaryIO) -> None:
    """Every file, in order, as root's, without times."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for path in sorted(root.rglob("*")):
            layer.add(path, str(path.relative_to(root)), recursive=False, filter=plain)


def _config(diff_id: str, reference: str) -> dict[str, object]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": _EPOCH,
        "config": {
            "Entrypoint": list(ENTRYPOINT),
            "Env": [f"{name}={value}" for name, value in sorted(ENVIRONMENT.items())],
            "ExposedPorts": {"8080/tcp": {}, "9090/tcp": {}},
            "Labels": {
                "org.opencontainers.image.title": "mcp-services",
                "org.opencontainers.image.version": reference.rpartition(":")[2],
            },
            "User": f"{USER}:{USER}",
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
        "history": [{"created": _EPOCH, "created_by": "a1platform"}],
    }
