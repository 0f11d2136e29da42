"""The parts of the Pulumi toolchain as data: what each is made of and where it can come from."""

import functools
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from a1platform.versions import PULUMI, PULUMI_COMMAND, PULUMI_KUBERNETES
from sandbox.build.go import GoRecipe
from sandbox.recipes.pulumi import CLI, KUBERNETES, PYTHON_HOST
from sandbox.recipes.pulumi_command import STAND_IN
from sandbox.toolchain.release import Releases

ORIGIN_FILE = "a1-origin.json"
HOST_SCRIPT = "pulumi-language-python-exec"
_PULUMI_FILES = ("pulumi", "pulumi-language-python", HOST_SCRIPT)
_AMD64 = platform.machine() in {"x86_64", "amd64"}


@dataclass(frozen=True)
class Archive:
    """An archive of an official release, and the list of digests beside it.

    Attributes:
        repository: Owner and name on GitHub.
        tag: Tag of the release.
        file: Name of the archive.
        checksums: Name of the list in sha256sum's format.
    """

    repository: str
    tag: str
    file: str
    checksums: str

    def urls(self, releases: Releases) -> tuple[str, str]:
        """Return the addresses of the archive and of its list."""
        return (
            releases.url(self.repository, self.tag, self.file),
            releases.url(self.repository, self.tag, self.checksums),
        )


@dataclass(frozen=True)
class Part:
    """One part of the toolchain.

    Attributes:
        name: What a person calls it.
        version: Its version.
        folder: Where it stands below the cache folder.
        files: Names of its files; the first one is the program.
        official: The release that it comes from.
        recipes: How to build it where the release cannot be reached.
        find: Returns its files where they are on this machine already, else nothing.
        scripts: Files of the last recipe's module that belong to it, file name to path in the module.
        stand_in: Whether what the recipes build only stands in for the official part.
    """

    name: str
    version: str
    folder: str
    files: tuple[str, ...]
    official: Archive
    recipes: tuple[GoRecipe, ...]
    find: Callable[[Path], Mapping[str, Path]]
    scripts: Mapping[str, str] = field(default_factory=dict)
    stand_in: bool = False

    def digest(self) -> str:
        """Return a digest of everything that decides what is built."""
        return "-".join(recipe.digest()[:12] for recipe in self.recipes)


def _pulumi_archive() -> Archive:
    machine = "x64" if _AMD64 else "arm64"
    return Archive(
        "pulumi/pulumi",
        f"v{PULUMI}",
        f"pulumi-v{PULUMI}-linux-{machine}.tar.gz",
        f"pulumi-{PULUMI}-checksums.txt",
    )


def _plugin(name: str, version: str, recipe: GoRecipe, *, stand_in: bool = False) -> Part:
    machine = "amd64" if _AMD64 else "arm64"
    return Part(
        name=f"{name} plugin",
        version=version,
        folder=f"pulumi-home/plugins/resource-{name}-v{version}",
        files=(f"pulumi-resource-{name}",),
        official=Archive(
            f"pulumi/pulumi-{name}",
            f"v{version}",
            f"pulumi-resource-{name}-v{version}-linux-{machine}.tar.gz",
            f"pulumi-{name}_{version}_checksums.txt",
        ),
        recipes=(recipe,),
        find=functools.partial(_find_plugin, name, version),
        stand_in=stand_in,
    )


def _find_plugin(name: str, version: str, ours: Path) -> Mapping[str, Path]:
    """Look into the operator's own Pulumi home."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    folder = home / "plugins" / f"resource-{name}-v{version}"
    program = folder / f"pulumi-resource-{name}"
    is_ours = folder.resolve().is_relative_to(ours.resolve()) or (folder / ORIGIN_FILE).exists()
    return {program.name: program} if program.is_file() and not is_ours else {}


def _find_pulumi(ours: Path) -> Mapping[str, Path]:
    """Look for a `pulumi` on PATH that has exactly this version and its language host beside it."""
    found = shutil.which("pulumi")
    if not found or Path(found).resolve().is_relative_to(ours.resolve()):
        return {}
    folder = Path(found).resolve().parent
    whole = all((folder / name).is_file() for name in _PULUMI_FILES)
    return (
        {name: folder / name for name in _PULUMI_FILES} if whole and _version(found) == f"v{PULUMI}" else {}
    )


def _version(pulumi: str) -> str:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    done = subprocess.run([pulumi, "version"], env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip()


PULUMI_PROGRAMS = Part(
    name="Pulumi CLI and Python language host",
    version=PULUMI,
    # The CLI warns on every run of a language host that does not stand beside it.
    folder=f"toolchain/pulumi-v{PULUMI}",
    files=_PULUMI_FILES,
    official=_pulumi_archive(),
    recipes=(CLI, PYTHON_HOST),
    find=_find_pulumi,
    scripts={HOST_SCRIPT: f"python/cmd/{HOST_SCRIPT}"},
)
PARTS = (
    PULUMI_PROGRAMS,
    _plugin("kubernetes", PULUMI_KUBERNETES, KUBERNETES),
    _plugin("command", PULUMI_COMMAND, STAND_IN, stand_in=True),
)
"""Every part, in the order in which they are brought."""
