"""What is called by `https` is called so: the name is checked, and nothing is ever sent in clear text."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from mcp_services.core.upstream import Outgoing, Pool, UnavailableError, http_client

_NAME = "tools.example"
_ASK = Outgoing("POST", "/mcp", {"Authorization": "Bearer secret"}, b"{}", 5)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for the name, signed by itself, and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(pem)
    return path


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers every request; its port, and what it has read."""
    read: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read.append(await reader.read(65536))
        writer.write(_ANSWER)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], read


@asynccontextmanager
async def pool(name: str, port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    """A pool whose name server knows one address for every name."""

    async def getaddrinfo(*_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(0, 0, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    async with http_client() as client:
        yield Pool("test", "service", f"https://{name}:{port}", client)


def served_by(certificate: Path) -> ssl.SSLContext:
    """TLS of a server with this certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def test_a_certificate_that_is_trusted_and_for_the_name_is_enough(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)
    async with listening(served_by(certificate)) as (port, read):
        async with pool(_NAME, port, monkeypatch) as of, of.request(_ASK) as answer:
            assert await answer.read() == b"{}"
        async with pool("other.example", port, monkeypatch) as of:
            with pytest.raises(UnavailableError):
                async with of.request(_ASK):
                    pass
    assert [b"secret" in one for one in read] == [True]
    assert f"Host: {_NAME}:{port}".encode() in read[0]


@pytest.mark.parametrize("tls", [True, False])
async def test_a_server_that_is_not_trusted_or_speaks_no_tls_gets_no_token(
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    tls: bool,  # noqa: FBT001
) -> None:
    served = listening(served_by(certificate) if tls else None)
    async with served as (port, read), pool(_NAME, port, monkeypatch) as of:
        with pytest.raises(UnavailableError):
            async with of.request(_ASK):
                pass
    assert not [one for one in read if b"secret" in one]
