"""One `k3s` file from the programs that were built: packed as the official one is, by K3s's own wrapper."""

import hashlib
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from sandbox.apt import ensure_program
from sandbox.build import debian
from sandbox.build.go import build, built_folder, download
from sandbox.cache import Cache
from sandbox.progress import Progress, step
from sandbox.recipes.k3s import CNI, FLANNEL, PROGRAMS, SHIM, WRAPPER

_LINKS = (
    *("containerd", "crictl", "ctr", "kubectl", "k3s-agent", "k3s-server", "k3s-token", "k3s-etcd-snapshot"),
    *("k3s-secrets-encrypt", "k3s-certificate", "k3s-completion"),
)
_COMPRESSION = "-3"
_PARTS = (PROGRAMS, SHIM, CNI, FLANNEL)


def built_k3s(cache: Cache) -> Path:
    """Return where the file is once it is built."""
    parts = [built_folder(recipe, cache).name for recipe in (*_PARTS, WRAPPER)]
    digest = hashlib.sha256("".join(parts).encode()).hexdigest()
    return cache.root / "programs" / f"k3s-{digest[:12]}" / "k3s"


def k3s_binary(cache: Cache, progress: Progress) -> Path:
    """Return the file, built where it is missing.

    Args:
        cache: Where it and its parts are kept.
        progress: Takes a line every 15 s.

    Raises:
        BuildError: A program does not compile.
        DebianError: runc cannot be had.
        UnfitError: A Debian package is missing and cannot be installed here.
        AptError: apt cannot install it.
    """
    folders = [build(recipe, cache, progress) for recipe in _PARTS]
    wrapper = build(WRAPPER, cache, progress)
    target = built_k3s(cache)
    with cache.lock("k3s-binary"):
        if not target.exists():
            ensure_program(progress, "zstd")
            with step(progress, "packing k3s"), cache.making(target.parent) as work:
                check_config = download(PROGRAMS, cache) / "contrib" / "util" / "check-config.sh"
                contents = {path.name: path for folder in folders for path in folder.iterdir()}
                with tempfile.TemporaryDirectory(dir=work) as unpacked:
                    contents |= {"runc": _runc(cache, progress, Path(unpacked)), "check-config": check_config}
                    _pack(contents, wrapper / "k3s", work / "k3s")
    return target


def _runc(cache: Cache, progress: Progress, folder: Path) -> Path:
    """Unpack runc, anew for each packing: what stays could be half a file."""
    debian.unpack(debian.download(cache, progress, ("runc",)), folder)
    return folder / "usr" / "sbin" / "runc"


def _pack(contents: dict[str, Path], wrapper: Path, target: Path) -> None:
    plain = target.with_suffix(".tar")
    with tarfile.open(plain, "w") as archive:
        for name, path in sorted(contents.items()):
            entry = archive.gettarinfo(path, f"bin/{name}")
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = "root"
            entry.mode = 0o755
            with path.open("rb") as file:
                archive.addfile(entry, file)
        for name in _LINKS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname, link.mode = tarfile.SYMTYPE, "k3s", 0o777
            archive.addfile(link)
        # The wrapper verifies what it has unpacked against these two.
        sums = "".join(f"{_digest(path)}  {name}\n" for name, path in sorted(contents.items()))
        _text(archive, "bin/.sha256sums", sums)
        _text(archive, "bin/.links", "".join(f"{name} k3s\n" for name in sorted(_LINKS)))
    packed = target.with_suffix(".tar.zst")
    command = ["zstd", "--quiet", "--threads=0", _COMPRESSION, "--rm", str(plain), "-o", str(packed)]
    subprocess.run(command, check=True)
    body = packed.read_bytes()
    packed.unlink()
    trailer = hashlib.sha256(body).hexdigest().encode() + len(body).to_bytes(8, "big")
    target.write_bytes(wrapper.read_bytes() + body + trailer)
    target.chmod(0o755)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _text(archive: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text.encode()), 0o644
    archive.addfile(entry, io.BytesIO(text.encode()))
