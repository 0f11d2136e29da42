"""The bundle: one folder with everything that an installation without a network needs.

`load` reads its list, bundle.json; `Bundle.verify` checks every file against the digests in that list.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic.alias_generators import to_camel

SCHEMA = 1
FILE = "bundle.json"
MEMO = ".verified.json"
"""Which file was seen with which digest, beside bundle.json."""


class BundleError(RuntimeError):
    """The bundle cannot be used; the text names the file and what is wrong with it."""


class _Model(BaseModel):
    # What a later writer adds is none of this reader's business.
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


def _below(path: Path, facts: ValidationInfo) -> Path:
    """Make a listed path whole; a list that names files elsewhere is refused."""
    root = Path(str(facts.context))
    if not (root / path).resolve().is_relative_to(root):
        raise ValueError(f"{path} is outside of the bundle")
    return root / path


BundlePath = Annotated[Path, AfterValidator(_below)]
"""A path below the bundle's folder: relative in the list, absolute once read."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BundleImage(_Model):
    """An image as a docker-archive.

    Attributes:
        path: The file.
        sha256: Its digest.
        references: The names that it carries.
    """

    path: BundlePath
    sha256: Digest
    references: tuple[str, ...] = Field(min_length=1)


class BundleChart(_Model):
    """A Helm chart as a folder.

    Attributes:
        path: The folder.
        version: The chart's version, another one whenever anything in the folder is another.
        sha256: Digest of all files in it, see `folder_digest`.
    """

    path: BundlePath
    version: str
    sha256: Digest


class BundlePart(_Model):
    """One part of the platform.

    Attributes:
        images: Its images.
        chart: Its chart, where it has one.
        origin: What it was made from, in words.
    """

    images: tuple[BundleImage, ...] = ()
    chart: BundleChart | None = None
    origin: str


class BundleK3s(_Model):
    """The K3s program.

    Attributes:
        version: Such as `v1.30.5+k3s1`.
        path: The file.
        sha256: Its digest.
        origin: What it was made from, in words.
    """

    version: str
    path: BundlePath
    sha256: Digest
    origin: str


class BundlePlugin(_Model):
    """A program of Pulumi's: it runs where the installation is begun, not on a node.

    Attributes:
        name: Name of the file, such as `pulumi-resource-kubernetes`.
        version: Version of what it is a part of.
        machine: What the kernel calls the processor that it runs on, such as `x86_64`.
        path: The file.
        sha256: Its digest.
        origin: What it was made from, in words.
    """

    name: str
    version: str
    machine: str
    path: BundlePath
    sha256: Digest
    origin: str


class _Listed(_Model):
    version: int = Field(alias="schema")
    k3s: BundleK3s | None = None
    plugins: tuple[BundlePlugin, ...] = ()
    parts: dict[str, BundlePart] = {}
    left_out: dict[str, str] = {}


@dataclass(frozen=True)
class Bundle:
    """A bundle.

    Attributes:
        folder: Where it is.
        k3s: The K3s program; None while it is not there yet.
        parts: By name.
        left_out: What is not in it, by name, and why.
        plugins: Pulumi's own programs.
    """

    folder: Path
    k3s: BundleK3s | None
    parts: Mapping[str, BundlePart]
    left_out: Mapping[str, str]
    plugins: tuple[BundlePlugin, ...] = ()

    def part(self, name: str) -> BundlePart:
        """Return a part.

        Raises:
            BundleError: It is not in the bundle; the text says why, if the bundle does.
        """
        if name not in self.parts:
            why = self.left_out.get(name)
            known = ", ".join(sorted(self.parts)) or "nothing"
            raise BundleError(
                f"{self.folder} has no part {name}: {why or 'it was never made'}; it holds {known}"
            )
        return self.parts[name]

    def verify(self, parts: Iterable[str] | None = None, *, thorough: bool = False) -> None:
        """Check that every file is there and is what bundle.json says.

        A file whose digest was seen before is not read again while its size, its times of writing and of
        change and its inode are the same; charts are small and always read.

        Args:
            parts: Names of the parts to check, with K3s; by default all of them, and Pulumi's programs, which
                are else checked where they are taken.
            thorough: Read every file, whatever was seen before.

        Raises:
            BundleError: A file is missing or changed.
        """
        memo = {} if thorough else read_memo(self.folder)
        seen = dict(memo)
        for path, digest in self._files(parts):
            name = str(path.relative_to(self.folder))
            stamp = file_stamp(path)
            if stamp is None:
                raise BundleError(f"{path} is missing; make the bundle again")
            if memo.get(name) != [digest, *stamp]:
                if file_digest(path) != digest:
                    raise BundleError(f"{path} is not the file that {FILE} describes; make the bundle again")
                seen[name] = [digest, *stamp]
        for part in self._chosen(parts):
            if part.chart and not part.chart.path.is_dir():
                raise BundleError(f"{part.chart.path} is missing; make the bundle again")
            if part.chart and folder_digest(part.chart.path) != part.chart.sha256:
                raise BundleError(
                    f"{part.chart.path} is not the chart that {FILE} describes; make the bundle again"
                )
        if seen != memo:
            write_memo(self.folder, seen)

    def _chosen(self, parts: Iterable[str] | None) -> list[BundlePart]:
        return list(self.parts.values()) if parts is None else [self.part(name) for name in parts]

    def _files(self, parts: Iterable[str] | None) -> Iterator[tuple[Path, str]]:
        if self.k3s:
            yield self.k3s.path, self.k3s.sha256
        if parts is None:
            yield from ((plugin.path, plugin.sha256) for plugin in self.plugins)
        for part in self._chosen(parts):
            yield from ((image.path, image.sha256) for image in part.images)


def load(path: Path) -> Bundle:
    """Read a bundle's list of contents.

    Args:
        path: The bundle's folder, or its bundle.json.

    Raises:
        BundleError: There is no bundle, it is of another schema, or its list is damaged.
    """
    folder = (path.parent if path.name == FILE else path).resolve()
    file = folder / FILE
    try:
        listed = _Listed.model_validate_json(file.read_bytes(), context=folder)
    except OSError as problem:
        raise BundleError(f"no bundle in {folder}: {problem.strerror or problem}") from None
    except ValidationError as problem:
        found = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'the file'}: {error['msg']}" for error in problem.errors()
        )
        raise BundleError(f"{file} is not a bundle's list: {found}") from None
    if listed.version != SCHEMA:
        raise BundleError(f"{file} is of schema {listed.version}, this program reads schema {SCHEMA}")
    return Bundle(folder, listed.k3s, listed.parts, listed.left_out, listed.plugins)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 over the names and contents of all files in a folder, hexadecimal."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(f"{path.relative_to(folder).as_posix()}\0{file_digest(path)}\n".encode())
    return total.hexdigest()


def file_stamp(path: Path) -> list[int] | None:
    """Return what tells cheaply whether a file was touched; None where there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]


def write_memo(folder: Path, seen: Mapping[str, list[str | int]]) -> None:
    """Keep which digests were seen; a bundle that may not be written to is read in full every time."""
    try:
        (folder / MEMO).write_text(json.dumps(seen, sort_keys=True))
    except OSError:
        return


def read_memo(folder: Path) -> dict[str, list[str | int]]:
    """Return which file was seen with which digest and stamp; nothing where nothing is kept."""
    try:
        memo = json.loads((folder / MEMO).read_text())
    except (OSError, ValueError):
        return {}
    return memo if isinstance(memo, dict) else {}
