"""K3s for the sandbox: the official release where it can be reached, else built from Go modules."""

import platform
from dataclasses import dataclass
from pathlib import Path

from a1platform.versions import K3S
from sandbox.build.compiler import ensure_compiler
from sandbox.cache import Cache
from sandbox.progress import Progress, step
from sandbox.recipes.k3s_binary import built_k3s, k3s_binary
from sandbox.toolchain.reach import UnreachableError
from sandbox.toolchain.release import MissingError, Releases, download, listed_sha256, read_text

_REPOSITORY = "k3s-io/k3s"
_BUILT = f"{K3S}, built from Go modules"
# File name and name in the checksum file, by what the kernel calls the processor.
_FILES = {"x86_64": ("k3s", "amd64"), "aarch64": ("k3s-arm64", "arm64")}


@dataclass(frozen=True)
class K3sSource:
    """A K3s binary on this machine.

    Attributes:
        path: The file.
        origin: Where it came from, for the line that `make up` prints.
    """

    path: Path
    origin: str


def held_k3s(cache: Cache) -> K3sSource | None:
    """Return the K3s that is there already, None where there is none."""
    if (official := _official(cache)).is_file():
        return K3sSource(official, f"official release {K3S}")
    if (built := built_k3s(cache)).is_file():
        return K3sSource(built, _BUILT)
    return None


def _official(cache: Cache) -> Path:
    return cache.folder("releases", K3S) / "k3s"


def k3s_source(cache: Cache, progress: Progress, releases: Releases | None = None) -> K3sSource:
    """Return K3s: what is there already, else the verified release, else built where none can be reached.

    Args:
        cache: Where it is kept.
        progress: Takes a line per step.
        releases: Where releases lie.

    Raises:
        ReleaseError: The release answers, but not with the file that its checksums name.
        BuildError: It cannot be reached and does not build.
        BundleError: It cannot be reached, and there is no C compiler to build it.
    """
    if found := held_k3s(cache):
        return found
    official = _official(cache)
    asked = releases or Releases()
    try:
        asked.require()
        file, architecture = _FILES[platform.machine()]
        listed = read_text(asked.url(_REPOSITORY, K3S, f"sha256sum-{architecture}.txt"))
        with step(progress, f"K3s {K3S} from {asked.base}"):
            download(asked.url(_REPOSITORY, K3S, file), listed_sha256(listed, file), official, progress)
        official.chmod(0o755)
        return K3sSource(official, f"official release {K3S}")
    except (UnreachableError, MissingError) as error:
        progress(f"K3s {K3S}: no official release ({error})")
        ensure_compiler(progress)
        return K3sSource(k3s_binary(cache, progress), _BUILT)
