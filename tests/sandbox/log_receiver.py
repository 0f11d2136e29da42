"""A log endpoint of a test's own: syslog over TLS, which keeps what it was sent."""

import contextlib
import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.certificate import self_signed

_ANSWERS_WITHIN_SECONDS = 60


class LogReceiver:
    """A server on one address, which may be stopped and started again at the same port.

    Attributes:
        certificate: What vouches for it, PEM.
        port: Its port.
        frames: What was sent, one syslog message each.
    """

    def __init__(self, folder: Path, address: str, name: str) -> None:
        """Make a certificate for a name, and listen.

        Args:
            folder: For the certificate and its key.
            address: The only address that it listens on.
            name: The name in the certificate.
        """
        self.certificate, key = self_signed(name, address)
        self._file = folder / f"{name}.pem"
        self._file.touch(mode=0o600)
        self._file.write_text(self.certificate + key)
        self._address = address
        self.port = 0
        self.frames: list[str] = []
        self.start()

    def start(self) -> None:
        """Listen, at the same port as before."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._file)
        receiver = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError), context.wrap_socket(self.request, server_side=True) as tls:
                    receiver._sockets.append(tls)
                    receiver._read(tls)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._sockets: list[ssl.SSLSocket] = []
        self._server = Server((self._address, self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Cut every connection, and listen no more."""
        self._server.shutdown()
        self._server.server_close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.close()

    def got(self, application: str, text: str) -> bool:
        """Wait until an application's message with a text has come, and tell whether it has."""
        return self._within(
            lambda: any(text in frame and f" {application} " in frame for frame in self.frames)
        )

    def _within(self, holds: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + _ANSWERS_WITHIN_SECONDS
        while not holds() and time.monotonic() < deadline:
            time.sleep(0.5)
        return holds()

    def _read(self, tls: ssl.SSLSocket) -> None:
        """Take frames of RFC 5425 apart: a length, a space, and as many octets."""
        stream = tls.makefile("rb")
        while length := b"".join(iter(lambda: stream.read(1).strip(), b"")):
            self.frames.append(stream.read(int(length)).decode(errors="replace"))
