"""A real registry on loopback, and what stands before it and can behave badly."""

import http.client
import http.server
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.build.image import ImageSettings, write_image

_SIZE = 200_000


@dataclass
class Front:
    """What clients of the registry talk to.

    Attributes:
        behind: Name and port of the registry itself, as they stand in an image's name.
        base: Address of what stands before it.
        cuts: How many of the next layers are cut in their middle.
        put_off: Statuses that the next requests for a manifest get instead of it.
        asked: The path of every request.
    """

    behind: str
    base: str = ""
    cuts: int = 0
    put_off: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


def push(crane: Path, host: str, reference: str, folder: Path) -> None:
    """Put a small image with one file into a registry.

    Args:
        crane: The program.
        host: The registry.
        reference: The image's name below it.
        folder: An empty folder to make the image in.
    """
    (folder / "root").mkdir()
    # What does not get smaller when it is packed, so that a layer can be cut in its middle.
    (folder / "root" / "program").write_bytes(os.urandom(_SIZE))
    image = write_image(folder / "root", folder / "image.tar", (f"{host}/{reference}",), ImageSettings())
    command = [str(crane), "push", "--insecure", str(image.path), image.reference]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def registry(crane: Path) -> Iterator[Front]:
    """Serve an empty registry for as long as the block lasts."""
    command = [str(crane), "registry", "serve", "--address", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            port = re.search(r"serving on port (\d+)", process.stderr.readline())
            assert port is not None
            with _before(f"127.0.0.1:{port[1]}") as front:
                yield front
        finally:
            process.kill()


@contextmanager
def _before(behind: str) -> Iterator[Front]:
    front = Front(behind)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            front.asked.append(self.path)
            if front.put_off and "/manifests/" in self.path:
                self.send_error(front.put_off.pop(0))
                return
            upstream = http.client.HTTPConnection(behind)
            upstream.request(self.command, self.path, headers=dict(self.headers))
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            self.send_response(answer.status)
            for name in ("Content-Type", "Content-Length", "Docker-Content-Digest"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.end_headers()
            if front.cuts and "/blobs/sha256:" in self.path and len(content) > _SIZE // 2:
                front.cuts -= 1
                content = content[: len(content) // 2]
            self.wfile.write(content)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        front.base = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield front
        listening.shutdown()
        thread.join()
