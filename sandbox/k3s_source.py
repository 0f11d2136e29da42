"""K3s for the sandbox: the official release where it can be reached, else built from Go modules."""

from dataclasses import dataclass
from pathlib import Path

from sandbox.cache import Cache
from sandbox.progress import Progress
from sandbox.recipes.k3s_binary import k3s_binary


@dataclass(frozen=True)
class K3sSource:
    """A K3s binary on this machine.

    Attributes:
        path: The file.
        origin: Where it came from, for the line that `make up` prints.
    """

    path: Path
    origin: str


def k3s_source(cache: Cache, progress: Progress) -> K3sSource:
    """Return K3s, downloaded or built where it is missing.

    Raises:
        BuildError: It cannot be reached and does not build.
    """
    return K3sSource(k3s_binary(cache, progress), "built from Go modules")
