"""Put an image together from programs, Debian packages and a few files: data in, one archive out."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sandbox.build import debian
from sandbox.build.image import ImageFile, ImageSettings, find_image, write_image
from sandbox.cache import Cache
from sandbox.progress import Progress, step

CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Image:
    """What is in an image: data, hashed into the name of the archive.

    Attributes:
        name: File name of the archive.
        references: Names with tags, those that upstream's charts and manifests ask for.
        settings: How it runs; its user is written into `/etc/passwd`.
        programs: Path in the image to a built program.
        packages: Debian packages, with what they depend on.
        without: Packages that are not followed as dependencies.
        files: Path in the image to a text; a text that starts with `#!` may be executed.
        links: Path in the image to where the link points.
        folders: Path in the image to its mode.
        certificates: Whether the public certificate authorities are in it.
    """

    name: str
    references: tuple[str, ...]
    settings: ImageSettings
    programs: Mapping[str, Path] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, int] = field(default_factory=dict)
    certificates: bool = False


def compose(image: Image, cache: Cache, progress: Progress) -> ImageFile:
    """Make an image, or find it in the cache.

    Args:
        image: What is in it.
        cache: Keeps packages and archives.
        progress: Takes a line per step.

    Raises:
        DebianError: A package cannot be had.
    """
    names = debian.closure(cache, image.packages, image.without) if image.packages else ()
    packages = debian.download(cache, progress, names) if names else []
    authorities = debian.download(cache, progress, ("ca-certificates",)) if image.certificates else []
    digest = _digest(image, [*packages, *authorities])
    path = cache.folder("images") / f"{image.name}-{digest[:12]}.tar"
    with cache.lock(f"image-{image.name}"):
        found = find_image(path)
        if found:
            return found
        with (
            step(progress, f"writing the image {image.references[0]}"),
            tempfile.TemporaryDirectory(prefix=f".{image.name}.", dir=path.parent) as work,
        ):
            root = Path(work)
            debian.unpack(packages, root)
            if authorities:
                _certificates(authorities, root)
            _fill(image, root)
            return write_image(root, path, image.references, image.settings)


def _digest(image: Image, packages: list[Path]) -> str:
    # The folder of a built program is named by the digest of its recipe.
    programs = {path: f"{file.parent.name}/{file.name}" for path, file in image.programs.items()}
    facts = {**asdict(image), "programs": programs, "packages": [package.name for package in packages]}
    total = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        if source.name in {"compose.py", "debian.py", "image.py"}:
            total.update(source.read_bytes())
    return total.hexdigest()


def _fill(image: Image, root: Path) -> None:
    """Programs, files, links and folders, the same modes in every build."""
    user = image.settings.user.partition(":")[0]
    people = {"root": "0", "nobody": "65534"} | ({"app": user} if user not in {"0", "65534"} else {})
    accounts = {
        "etc/passwd": "".join(f"{name}:x:{uid}:{uid}::/:/usr/sbin/nologin\n" for name, uid in people.items()),
        "etc/group": "".join(f"{name}:x:{uid}:\n" for name, uid in people.items()),
    }
    for path in sorted(root.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or bool(path.stat().st_mode & 0o111)
            path.chmod(0o755 if executable else 0o644)
    for place, program in image.programs.items():
        shutil.copyfile(program, _room(root, place)).chmod(0o755)
    for place, text in {**accounts, **image.files}.items():
        target = _room(root, place)
        target.write_text(text)
        target.chmod(0o755 if text.startswith("#!") else 0o644)
    for place, to in image.links.items():
        target = _room(root, place)
        target.unlink(missing_ok=True)
        target.symlink_to(to)
    for place, mode in {"/tmp": 0o1777, **image.folders}.items():  # noqa: S108 - the image's own folder
        target = _room(root, place)
        target.mkdir(exist_ok=True)
        target.chmod(mode)


def _room(root: Path, place: str) -> Path:
    target = root / place.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _certificates(packages: list[Path], root: Path) -> None:
    """What `update-ca-certificates` would write: all of Debian's authorities in one file."""
    with tempfile.TemporaryDirectory(dir=root.parent) as work:
        debian.unpack(packages, Path(work))
        texts = [path.read_text() for path in sorted(Path(work).glob("usr/share/ca-certificates/*/*.crt"))]
    _room(root, CERTIFICATES).write_text("".join(text.rstrip() + "\n" for text in texts))
