"""The image of the five services: Debian's Python, the locked wheels, our own code, and nothing else.

No shell, no package manager. The files come as Debian packages from the machine's own package sources (whose
signatures apt checks) and as wheels whose hashes `services/requirements.txt` holds.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.build.debian import LEFT_OUT, download, record, unpack
from sandbox.cache import Cache
from sandbox.progress import Progress, step

REPOSITORY = "docker.io/a1platform/mcp-services"
VERSION = "0.1.0"
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
    *LEFT_OUT,
    "usr/lib/python3.11/test",
    "usr/lib/python3.11/unittest",
    "usr/lib/python3.11/pydoc_data",
    "usr/lib/python3.11/lib2to3",
    "var",
    "root",
    "home",
)


class ServicesImageError(RuntimeError):
    """The image cannot be made here; the text says which step failed and why."""


@dataclass(frozen=True)
class Rootfs:
    """The image's files.

    Attributes:
        folder: Root of the file system.
        references: The names that the image carries: the version, and the version with a digest of everything
            that went in.
    """

    folder: Path
    references: tuple[str, str]


def sources() -> Iterator[Path]:
    """Every file of our own that goes into the image, in a fixed order."""
    for path in sorted((_SERVICES / "mcp_services").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.name not in {"dev.py", "testing.py"}:
            yield path


def services_rootfs(cache: Cache, progress: Progress) -> Rootfs:
    """Make the image's file system, or find it in the cache.

    Raises:
        DebianError: A package cannot be had.
        ServicesImageError: A wheel cannot be had, or the result does not start.
    """
    with cache.lock("services-image"):
        packages = download(cache, progress, _PACKAGES)
        digest = _digest(packages)
        target = cache.folder("images") / f"mcp-services-{digest[:12]}"
        references = (f"{REPOSITORY}:{VERSION}", f"{REPOSITORY}:{VERSION}-{digest[:12]}")
        if not target.is_dir():
            with step(progress, f"making the files of {references[1]}"), cache.making(target) as work:
                unpack(packages, work, _LEFT_OUT)
                record(packages, work)
                _install(cache, work)
                _bill_of_materials(packages, work, references[1])
                _compile(work)
                _settle(work)
        return Rootfs(target, references)


def _run(command: list[str], what: str, **more: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **more})
    if done.returncode:
        raise ServicesImageError(f"{what}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def _digest(packages: list[Path]) -> str:
    total = hashlib.sha256()
    for path in [Path(__file__), _SERVICES / "requirements.txt", *sources()]:
        total.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    for package in packages:
        total.update(package.name.encode())
    return total.hexdigest()


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
