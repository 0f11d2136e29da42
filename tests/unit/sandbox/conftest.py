"""A release server on loopback with GitHub's layout, which can also behave badly."""

import contextlib
import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from sandbox.toolchain import Releases


@dataclass
class ReleaseServer:
    """What it serves and what it was asked.

    Attributes:
        base: Its address.
        files: Path to content.
        cut_after: How many bytes each of the next answers sends before the connection is dropped.
        ranges: Whether it can begin in the middle of a file.
        slow: Seconds until it answers whether it is there.
        asked: Method, path and range of every request.
    """

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    ranges: bool = True
    slow: float = 0
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
                self.send_error(404)

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            facts.asked.append(("GET", self.path, asked))
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
