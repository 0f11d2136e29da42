"""SSH outside Pulumi: reading a host key to pin, running a script, with paramiko."""

import io
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from a1platform.node.shell import guarded, runner
from a1platform.settings.node import NodeSettings, private_key

_CONNECT_SECONDS = 10
_SILENT_SECONDS = 120
# A server that hangs up at the wrong moment, as sshd does above MaxStartups, is an EOFError to paramiko.
_BROKEN = (OSError, EOFError, paramiko.SSHException)


class HostUnreachableError(RuntimeError):
    """A host does not answer, shows another key than the pinned one, or refuses the user."""


@dataclass(frozen=True)
class Answer:
    """What a script left behind.

    Attributes:
        status: Exit status.
        stdout: Everything on standard output.
        stderr: Everything on standard error.
    """

    status: int
    stdout: str
    stderr: str


def read_host_key(host: str, port: int, preferred: str = "ssh-ed25519") -> str:
    """Return the key that a host shows, in authorized_keys format, of the preferred kind where it has one.

    Nothing is sent to the host but the key exchange. Whoever is asked is not yet trusted: compare
    fingerprints.

    Raises:
        HostUnreachableError: No SSH server answers.
    """
    try:
        with (
            socket.create_connection((host, port), timeout=_CONNECT_SECONDS) as raw,
            paramiko.Transport(raw) as transport,
        ):
            options = transport.get_security_options()
            # An RSA key signs with newer hashes, under their names.
            names = (preferred, "rsa-sha2-512", "rsa-sha2-256") if preferred == "ssh-rsa" else (preferred,)
            options.key_types = sorted(options.key_types, key=lambda kind: kind not in names)
            transport.start_client(timeout=_CONNECT_SECONDS)
            key = transport.get_remote_server_key()
            return f"{key.get_name()} {key.get_base64()}"
    except _BROKEN as error:
        raise HostUnreachableError(f"{host} port {port}: {_told(error)}") from error


def user_key(path: Path) -> paramiko.PKey:
    """Return a user's private key, in whichever format it is kept.

    paramiko itself reads fewer than OpenSSH and the plugin do: none in PKCS#8, which `openssl genpkey`
    and clouds write.

    Args:
        path: As it stands in the configuration.

    Raises:
        ValueError: It cannot be used; the text says what was found and what is expected.
    """
    text = private_key(path)
    read = load_ssh_private_key if "-----BEGIN OPENSSH" in text else load_pem_private_key
    try:
        key = read(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"found '{path}', which is damaged ({error}), expected {_KEYS}") from None
    for kind, reader in _READERS:
        if isinstance(key, kind):
            told = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
            return reader.from_private_key(io.StringIO(told))
    raise ValueError(f"found '{path}' of a kind that SSH does not take, expected {_KEYS}")


_KEYS = "an Ed25519, ECDSA or RSA key (`ssh-keygen -t ed25519` makes one)"
_READERS: tuple[
    tuple[type[Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey], type[paramiko.PKey]], ...
] = (
    (Ed25519PrivateKey, paramiko.Ed25519Key),
    (EllipticCurvePrivateKey, paramiko.ECDSAKey),
    (RSAPrivateKey, paramiko.RSAKey),
)


@contextmanager
def connected(node: NodeSettings) -> Iterator[paramiko.SSHClient]:
    """Open a connection to a node with its pinned host key, its key file and nothing else.

    Raises:
        HostUnreachableError: The node cannot be reached, shows another key, or refuses the user; or that
            user's key cannot be read here.
    """
    try:
        own_key = user_key(node.private_key_file)
    except ValueError as error:
        raise HostUnreachableError(f"node {node.name}: privateKeyFile: {error}") from None
    client = paramiko.SSHClient()
    kind, data = node.host_key.split()
    known = node.host if node.port == paramiko.config.SSH_PORT else f"[{node.host}]:{node.port}"
    entry = paramiko.hostkeys.HostKeyEntry.from_line(f"{known} {kind} {data}")
    if entry is None or entry.key is None:
        raise HostUnreachableError(
            f"node {node.name}: the pinned host key is of a kind that is not supported here"
        )
    client.get_host_keys().add(known, kind, entry.key)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    try:
        client.connect(
            node.host,
            node.port,
            node.user,
            pkey=own_key,
            allow_agent=False,
            look_for_keys=False,
            timeout=_CONNECT_SECONDS,
            banner_timeout=_CONNECT_SECONDS,
            auth_timeout=_CONNECT_SECONDS,
        )
    except _BROKEN as error:
        client.close()
        raise _unreachable(node, error) from error
    try:
        yield client
    finally:
        client.close()


@dataclass
class _Shared:
    """A connection, and how many use it."""

    client: Future[paramiko.SSHClient] = field(default_factory=Future)
    opened: ExitStack = field(default_factory=ExitStack)
    users: int = 0

    def open(self, node: NodeSettings) -> None:
        try:
            self.client.set_result(self.opened.enter_context(connected(node)))
        except BaseException as error:  # noqa: BLE001 - others wait for it, whatever it is
            self.client.set_exception(error)


_LOCK = Lock()
_SHARED: dict[NodeSettings, _Shared] = {}


@contextmanager
def shared(node: NodeSettings) -> Iterator[paramiko.SSHClient]:
    """Like `connected`, but threads that ask at the same time share one; the last of them closes it.

    Raises:
        HostUnreachableError: As `connected`; to each of them, after one attempt.
    """
    with _LOCK:
        connection = _SHARED.setdefault(node, _Shared())
        connection.users += 1
        first = connection.users == 1
    try:
        if first:
            connection.open(node)
        yield connection.client.result()
    finally:
        with _LOCK:
            connection.users -= 1
            if last := connection.users == 0:
                del _SHARED[node]
        if last:
            connection.opened.close()


def run_script(client: paramiko.SSHClient, node: NodeSettings, script: str, arguments: str = "") -> Answer:
    """Run a bash script as root, sent on standard input.

    Args:
        client: From `connected`.
        node: The node that it is connected to.
        script: Bash text.
        arguments: Words for the script.

    Raises:
        HostUnreachableError: The connection broke, or nothing came for two minutes.
    """
    command = f"{runner(node.user)} {arguments}".rstrip()
    try:
        stdin, stdout, stderr = client.exec_command(command, timeout=_SILENT_SECONDS)
        stdin.write(guarded(script))
        stdin.channel.shutdown_write()
        out, err = stdout.read().decode(errors="replace"), stderr.read().decode(errors="replace")
    except _BROKEN as error:
        raise _unreachable(node, error) from error
    return Answer(stdout.channel.recv_exit_status(), out, err)


def _unreachable(node: NodeSettings, error: Exception) -> HostUnreachableError:
    return HostUnreachableError(f"node {node.name} ({node.host} port {node.port}): {_told(error)}")


def _told(error: Exception) -> str:
    # A channel's own has no text; a connection's tells itself.
    if isinstance(error, TimeoutError) and not str(error):
        return f"nothing came for {_SILENT_SECONDS} seconds"
    return str(error) or "the connection was closed"
