"""What the toolchain comes from: a release server that can behave badly, a builder that builds nothing."""

import contextlib
import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandbox.build.go import GoRecipe
from sandbox.cache import Cache
from sandbox.progress import Progress
from sandbox.toolchain import Releases
from tests.unit.sandbox.small_bundle import Bench


@dataclass
class ReleaseServer:
    """What it serves and what it was asked.

    Attributes:
        base: Its address.
        files: Path to content.
        cut_after: How many bytes each of the next answers sends before the connection is dropped.
        ranges: Whether it can begin in the middle of a file.
        slow: Seconds until it answers whether it is there.
        moved: Where it sends whoever asks whether it is there; nowhere where it is empty.
        put_off: Statuses that the next requests for a file get instead of it.
        asked: Method, path and range of every request.
    """

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    ranges: bool = True
    slow: float = 0
    moved: str = ""
    put_off: list[int] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def releases(self) -> Releases:
        """The releases on it."""
        return Releases(self.base)

    def put(self, repository: str, tag: str, checksums: str, files: dict[str, bytes]) -> None:
        """Publish a release with its list of checksums."""
        folder = f"/{repository}/releases/download/{tag}"
        lines = [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in files.items()]
        listed = {**files, checksums: "\n".join(lines).encode()}
        self.files |= {f"{folder}/{name}": content for name, content in listed.items()}


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    """Return a release server without files."""
    facts = ReleaseServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            facts.asked.append(("HEAD", self.path, ""))
            time.sleep(facts.slow)
            # Whoever waits no longer has closed the connection.
            with contextlib.suppress(ConnectionError):
                self.send_response(302 if facts.moved else 404)
                self.send_header("Location", facts.moved)
                self.end_headers()

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            facts.asked.append(("GET", self.path, asked))
            if facts.put_off:
                self.send_error(facts.put_off.pop(0))
                return
            if self.path not in facts.files:
                self.send_error(404)
                return
            content = facts.files[self.path]
            offset = int(asked[len("bytes=") : -1]) if asked and facts.ranges else 0
            if offset and offset >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if offset else 200)
            self.send_header("Content-Length", str(len(content) - offset))
            self.end_headers()
            limit = facts.cut_after.pop(0) if facts.cut_after else len(content)
            self.wfile.write(content[offset:][:limit])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        facts.base = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield facts
        listening.shutdown()
        thread.join()


@dataclass
class Builds:
    """Stands in for the builder and notes what it was asked for."""

    folder: Path
    asked: list[str] = field(default_factory=list)

    def build(self, recipe: GoRecipe, _: Cache, __: Progress) -> Path:
        """Return a folder with made up programs."""
        self.asked.append(recipe.name)
        for program in recipe.programs:
            (self.folder / program).write_text(f"built {program}")
        return self.folder

    def module(self, *_: object) -> Path:
        """Return a made up module."""
        (self.folder / "python" / "cmd").mkdir(parents=True, exist_ok=True)
        (self.folder / "python" / "cmd" / "pulumi-language-python-exec").write_text("script")
        return self.folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """An empty cache, on a machine without a Pulumi."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "nobody"))
    return Cache(tmp_path / "cache")


# Before whatever else a test sets up: a build would take a quarter of an hour.
@pytest.fixture(autouse=True)
def builds(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Builds:
    """A builder of the toolchain in place of the one that builds."""
    made = Builds(tmp_path_factory.mktemp("built"))
    monkeypatch.setattr("sandbox.toolchain.install.build", made.build)
    monkeypatch.setattr("sandbox.toolchain.install.download_module", made.module)
    return made


@pytest.fixture
def lines() -> list[str]:
    """What is said."""
    return []


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bundle of three small parts, none of them made yet."""
    return Bench(tmp_path, monkeypatch)
