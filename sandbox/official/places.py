"""Where charts and images lie officially, the mirrors that stand in for these places, and which answer."""

import contextlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.cache import Cache
from sandbox.progress import Progress
from sandbox.toolchain.reach import Reach, ReleaseError, require_address

_CHARTS, _REGISTRIES = "A1_CHARTS", "A1_REGISTRIES"
_DOCKER_HUB = "docker.io"
_SERVES_DOCKER_HUB = "index.docker.io"


def _mirror(variable: str) -> str:
    return os.environ.get(variable, "").rstrip("/")


@dataclass(frozen=True)
class Places:
    """Where charts and images are taken from.

    Attributes:
        charts: A mirror that has each address of a chart repository as `<mirror>/<host>/<path>`, of
            `$A1_CHARTS`.
        registries: A mirror that has each image as `<host>/<repository>:<tag>`, of `$A1_REGISTRIES`.
        reach: Which of the servers answer.
    """

    charts: str = field(default_factory=lambda: _mirror(_CHARTS))
    registries: str = field(default_factory=lambda: _mirror(_REGISTRIES))
    reach: Reach = field(default_factory=Reach, repr=False, compare=False)

    def chart_address(self, url: str) -> str:
        """Return where an address of a chart repository is asked for; what is the mirror's own stays."""
        if not self.charts or url.startswith(f"{self.charts}/"):
            return url
        return f"{self.charts}/{url.partition('://')[2]}"

    def registry(self, reference: str) -> str:
        """Return the address of the server that has an image."""
        host = reference.partition("/")[0]
        return self.registries or f"https://{_SERVES_DOCKER_HUB if host == _DOCKER_HUB else host}"

    def image(self, reference: str) -> str:
        """Return the name by which an image is asked for."""
        return f"{self.registries.partition('://')[2]}/{reference}" if self.registries else reference

    def require(self, url: str) -> None:
        """Return where the server of an address answers.

        Raises:
            ReleaseError: The variable that names a mirror holds no address.
            UnreachableError: It does not answer, or not in time.
        """
        for variable, mirror in ((_CHARTS, self.charts), (_REGISTRIES, self.registries)):
            if mirror:
                require_address(variable, mirror)
        self.reach.require(_server(url))

    def ask(self, urls: Iterable[str]) -> None:
        """Find out about many servers at once, so that a network without them costs one wait and not many."""

        def one(server: str) -> None:
            with contextlib.suppress(ReleaseError):
                self.require(server)

        servers = {_server(url) for url in urls}
        if servers:
            with ThreadPoolExecutor(len(servers)) as pool:
                list(pool.map(one, sorted(servers)))


@dataclass(frozen=True)
class Fetch:
    """How a part is fetched.

    Attributes:
        places: From where.
        cache: Where Helm and crane are, or are built.
        progress: Takes a line per step.
        downloads: A folder of the part's own, for what is not in the bundle yet.
    """

    places: Places
    cache: Cache
    progress: Progress
    downloads: Path


def _server(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
