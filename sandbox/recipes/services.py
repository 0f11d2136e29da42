"""The image of the five services: Debian's Python, the locked wheels, our own code, and nothing else.

No shell, no package manager. The files come as Debian packages from the machine's own package sources (whose
signatures apt checks) and as wheels whose hashes `services/requirements.txt` holds.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sandbox.cache import Cache
from sandbox.progress import Progress, step

REPOSITORY = "a1.local/mcp-services"
USER = 65532
ENTRYPOINT = ("/usr/bin/python3.11", "-m", "mcp_services")
ENVIRONMENT = {
    "PYTHONPATH": "/app",
    "PYTHONDONTWRITEBYTECODE": "1",
    "SSL_CERT_FILE": "/app/certifi/cacert.pem",
    "PATH": "/usr/bin",
}

_SERVICES = Path(__file__).parents[2] / "services"
_PACKAGES = (
    "base-files",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libssl3",
    "libstdc++6",
    "libuuid1",
    "media-types",
    "netbase",
    "python3.11-minimal",
    "zlib1g",
)
_LEFT_OUT = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/bug",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/python3.11/test",
    "usr/lib/python3.11/unittest",
    "usr/lib/python3.11/pydoc_data",
    "usr/lib/python3.11/lib2to3",
    "var",
    "root",
    "home",
)
# In bookworm these are links, yet packages still ship files under the old names.
_MERGED = ("bin", "sbin", "lib", "lib64")


class ServicesImageError(RuntimeError):
    """The image cannot be made here; the text says which step failed and why."""


@dataclass(frozen=True)
class Rootfs:
    """The image's files.

    Attributes:
        folder: Root of the file system.
        reference: Name and version; the version is a digest of everything that went in.
    """

    folder: Path
    reference: str


def sources() -> Iterator[Path]:
    """Every file of our own that goes into the image, in a fixed order."""
    for path in sorted((_SERVICES / "mcp_services").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.name not in {"dev.py", "testing.py"}:
            yield path


def services_rootfs(cache: Cache, progress: Progress) -> Rootfs:
    """Make the image's file system, or find it in the cache.

    Raises:
        ServicesImageError: A package or a wheel cannot be had, or the result does not start.
    """
    with cache.lock("services-image"):
        packages = _download(cache, progress)
        digest = _digest(packages)
        target = cache.folder("images") / f"mcp-services-{digest[:12]}"
        reference = f"{REPOSITORY}:0.1.0-{digest[:12]}"
        if not target.is_dir():
            with step(progress, f"making the files of {reference}"), cache.making(target) as work:
                _unpack(packages, work)
                _install(cache, work)
                _bill_of_materials(packages, work, reference)
                _compile(work)
                _settle(work)
        return Rootfs(target, reference)


def _run(command: list[str], what: str, **more: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **more})
    if done.returncode:
        raise ServicesImageError(f"{what}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def _download(cache: Cache, progress: Progress) -> list[Path]:
    """The Debian packages, at the versions that apt offers now."""
    wanted = _run(
        ["apt-cache", "show", "--no-all-versions", *_PACKAGES],
        "apt knows not all packages; run apt-get update",
    )
    folder = cache.folder("debs")
    files: dict[str, str] = {}
    for stanza in wanted.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        name = f"{fields['Package']}_{fields['Version'].replace(':', '%3a')}_{fields['Architecture']}.deb"
        files[name] = fields["SHA256"]
    missing = [name.split("_", 1)[0] for name in files if not (folder / name).is_file()]
    if missing:
        with step(progress, f"downloading {len(missing)} Debian packages"):
            done = subprocess.run(
                ["apt-get", "download", "--quiet=2", *missing],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise ServicesImageError(f"packages not downloaded: {done.stderr.strip()[-2000:]}")
    for name, expected in files.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            (folder / name).unlink()
            raise ServicesImageError(f"{name} is not what the package index says; it was removed, try again")
    return [folder / name for name in sorted(files)]


def _digest(packages: list[Path]) -> str:
    total = hashlib.sha256()
    for path in [Path(__file__), _SERVICES / "requirements.txt", *sources()]:
        total.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    for package in packages:
        total.update(package.name.encode())
    return total.hexdigest()


def _unpack(packages: list[Path], root: Path) -> None:
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        done = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], capture_output=True, check=False)
        if done.returncode:
            raise ServicesImageError(f"{package.name}: {done.stderr.decode(errors='replace')}")
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            for member in archive:
                path = _placed(member.name)
                if path is None or member.isdir():
                    continue
                member.name = path
                if member.islnk():
                    member.linkname = _placed(member.linkname) or member.linkname
                archive.extract(member, root, filter="tar")


def _placed(name: str) -> str | None:
    """Where a package's file goes; None for what is left out."""
    parts = PurePosixPath(name).parts
    if not parts:
        return None
    path = PurePosixPath("usr", *parts) if parts[0] in _MERGED else PurePosixPath(*parts)
    if any(path.is_relative_to(left_out) for left_out in _LEFT_OUT):
        return None
    return str(path)


def _install(cache: Cache, root: Path) -> None:
    """The locked wheels and our own code into `/app`."""
    application = root / "app"
    _run(
        [
            str(cache.root / "uv" / "bin" / "uv"),
            *("pip", "install", "--quiet", "--target", str(application), "--require-hashes", "--no-deps"),
            *(
                "--only-binary",
                ":all:",
                "--python-version",
                "3.11",
                "--python-platform",
                "x86_64-manylinux_2_28",
            ),
            *("--link-mode", "copy", "-r", str(_SERVICES / "requirements.txt")),
        ],
        "wheels not installed",
    )
    for leftover in ("bin", ".lock"):
        path = application / leftover
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in sources():
        target = application / path.relative_to(_SERVICES)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (root / "etc" / "passwd").write_text(
        f"root:x:0:0:root:/:/usr/sbin/nologin\nmcp:x:{USER}:{USER}:mcp:/:/usr/sbin/nologin\n"
    )
    (root / "etc" / "group").write_text(f"root:x:0:\nmcp:x:{USER}:\n")
    for folder in ("tmp", "var/lib/mcp", "etc/mcp", "proc", "sys", "dev"):
        (root / folder).mkdir(parents=True, exist_ok=True)


def _bill_of_materials(packages: list[Path], root: Path, reference: str) -> None:
    """A CycloneDX 1.5 list of what is inside, at `/usr/share/sbom/mcp-services.cdx.json`."""
    components = []
    for package in packages:
        name, version, _ = package.name.split("_")
        version = version.replace("%3a", ":")
        url = f"pkg:deb/debian/{name}@{version}"
        components.append({"type": "library", "name": name, "version": version, "purl": url})
    for found in sorted((root / "app").glob("*.dist-info")):
        name, version = found.name.removesuffix(".dist-info").rsplit("-", 1)
        url = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
        components.append({"type": "library", "name": name, "version": version, "purl": url})
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": reference}},
        "components": components,
    }
    target = root / "usr" / "share" / "sbom" / "mcp-services.cdx.json"
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps(bill, indent=1) + "\n")


def python_of(root: Path) -> tuple[str, ...]:
    """Command that runs the image's Python without a container; it needs `PYTHONHOME` at `root/usr`."""
    return (
        str(root / "usr" / "lib64" / "ld-linux-x86-64.so.2"),
        *("--library-path", str(root / "usr" / "lib" / "x86_64-linux-gnu")),
        str(root / "usr" / "bin" / "python3.11"),
    )


def _compile(root: Path) -> None:
    """Byte code beside the sources, made by the image's own Python, which thereby is seen to run."""
    python = python_of(root)
    clean = {"PYTHONHOME": str(root / "usr"), "PYTHONHASHSEED": "0", "PYTHONPATH": str(root / "app")}
    for folder, shown in (("app", "/app"), ("usr/lib/python3.11", "/usr/lib/python3.11")):
        command = ["-B", "-m", "compileall", "-f", "-q", "-j1", "--invalidation-mode", "unchecked-hash"]
        # Some wheels hold templates that do not compile; they are never imported.
        subprocess.run(
            [*python, *command, "-s", str(root / folder), "-p", shown, str(root / folder)],
            env=clean,
            capture_output=True,
            check=False,
        )
    check = (
        "import importlib, mcp_services.roles as r; [importlib.import_module(m) for m in r.MODULES.values()]"
    )
    _run([*python, "-B", "-c", check], "the image's Python does not load the services", **clean)


def _settle(root: Path) -> None:
    """The same modes in every build, and nothing that anybody but root may write."""
    for path in sorted(root.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or bool(path.stat().st_mode & 0o111)
            path.chmod(0o755 if executable else 0o644)
    (root / "tmp").chmod(0o1777)
