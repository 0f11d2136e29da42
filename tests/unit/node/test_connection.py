"""Who asks a host at the same time has one connection; against an SSH server on loopback."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from a1platform.node.connection import HostUnreachableError, connected, run_script, shared
from a1platform.settings.node import NodeSettings

_TOGETHER = 3


class _Admits(paramiko.ServerInterface):
    """Lets everybody in who has a key."""

    def get_allowed_auths(self, username: str) -> str:
        del username
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        del username, key
        return paramiko.common.AUTH_SUCCESSFUL


@dataclass
class _Server:
    """An SSH server that counts who comes, and knows who is still there."""

    key: paramiko.PKey
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    transports: list[paramiko.Transport] = field(default_factory=list)

    def serve(self) -> None:
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(raw)
            transport.add_server_key(self.key)
            self.transports.append(transport)
            transport.start_server(event=threading.Event(), server=_Admits())


@pytest.fixture
def server() -> Iterator[_Server]:
    one = _Server(paramiko.ECDSAKey.generate())
    thread = threading.Thread(target=one.serve)
    thread.start()
    yield one
    one.listener.shutdown(socket.SHUT_RDWR)
    one.listener.close()
    thread.join()
    for transport in one.transports:
        transport.close()


@pytest.fixture
def settings(server: _Server, node: Callable[..., dict[str, Any]], tmp_path: Path) -> NodeSettings:
    client = tmp_path / "client"
    paramiko.RSAKey.generate(2048).write_private_key_file(str(client))
    shown = f"{server.key.get_name()} {server.key.get_base64()}"
    place = {"host": "127.0.0.1", "port": server.listener.getsockname()[1]}
    return NodeSettings.model_validate(node(**place, privateKeyFile=str(client), hostKey=shown))


@pytest.fixture(params=[b"", b"SSH-2.0-OpenSSH_9.2\r\n"], ids=["at once", "after its banner"])
def hanging_up(
    request: pytest.FixtureRequest, node: Callable[..., dict[str, Any]], tmp_path: Path
) -> Iterator[NodeSettings]:
    """A server that closes every connection, as sshd does above MaxStartups."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            with raw:
                raw.sendall(request.param)

    thread = threading.Thread(target=serve)
    thread.start()
    client = tmp_path / "client"
    paramiko.RSAKey.generate(2048).write_private_key_file(str(client))
    place = {"host": "127.0.0.1", "port": listener.getsockname()[1]}
    yield NodeSettings.model_validate(node(**place, privateKeyFile=str(client)))
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def _at_once(settings: NodeSettings) -> list[object]:
    """Return what each of several threads had in hand, or the error it met, while all of them were there."""
    there = threading.Barrier(_TOGETHER)

    def ask() -> object:
        try:
            with shared(settings) as client:
                there.wait(20)
                return client
        except HostUnreachableError as error:
            return error

    with ThreadPoolExecutor(_TOGETHER) as pool:
        return [one.result() for one in [pool.submit(ask) for _ in range(_TOGETHER)]]


def test_threads_that_ask_at_the_same_time_have_one_connection(
    server: _Server, settings: NodeSettings
) -> None:
    first, *others = _at_once(settings)
    assert isinstance(first, paramiko.SSHClient)
    assert all(other is first for other in others)
    assert len(server.transports) == 1


def test_the_last_of_them_closes_it_and_the_next_opens_another(
    server: _Server, settings: NodeSettings
) -> None:
    (client, *_) = _at_once(settings)
    assert isinstance(client, paramiko.SSHClient)
    assert client.get_transport() is None
    with shared(settings), shared(settings):
        pass
    assert len(server.transports) == 2


def test_a_key_that_cannot_be_read_is_told_and_nothing_is_sent(
    server: _Server, settings: NodeSettings
) -> None:
    elsewhere = settings.model_copy(update={"private_key_file": Path("/nowhere/id")})
    with (
        pytest.raises(HostUnreachableError, match="node a1: privateKeyFile: found '/nowhere/id'"),
        connected(elsewhere),
    ):
        pass
    assert server.transports == []


_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_KINDS: dict[str, Callable[[], _Key]] = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.OpenSSH])
@pytest.mark.parametrize("kind", _KINDS)
def test_a_key_of_any_kind_is_read_in_any_format(
    settings: NodeSettings, tmp_path: Path, kind: str, form: PrivateFormat
) -> None:
    key = tmp_path / "of-another-tool"
    key.write_bytes(_KINDS[kind]().private_bytes(Encoding.PEM, form, NoEncryption()))
    with connected(settings.model_copy(update={"private_key_file": key})) as client:
        assert client.get_transport() is not None


def test_a_damaged_key_is_told_with_what_is_expected(settings: NodeSettings, tmp_path: Path) -> None:
    key = tmp_path / "damaged"
    key.write_text("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n")
    damaged = settings.model_copy(update={"private_key_file": key})
    with (
        pytest.raises(HostUnreachableError, match="expected an Ed25519, ECDSA or RSA key"),
        connected(damaged),
    ):
        pass


def test_another_key_than_the_pinned_one_is_told_to_each_of_them(
    settings: NodeSettings, node: Callable[..., dict[str, Any]]
) -> None:
    other = settings.model_copy(update={"host_key": node()["hostKey"]})
    with pytest.raises(HostUnreachableError), connected(other):
        pass
    with pytest.raises(HostUnreachableError), shared(other):
        pass
    found = _at_once(other)
    assert all(isinstance(one, HostUnreachableError) for one in found)


def test_a_server_that_hangs_up_is_told_to_each_of_them(hanging_up: NodeSettings) -> None:
    found = _at_once(hanging_up)
    assert all(isinstance(one, HostUnreachableError) for one in found)
    assert all(str(one) != "" and not str(one).endswith(": ") for one in found)


def test_a_connection_that_breaks_before_a_script_is_told(server: _Server, settings: NodeSettings) -> None:
    with connected(settings) as client:
        for transport in server.transports:
            transport.close()
        with pytest.raises(HostUnreachableError, match="node a1"):
            run_script(client, settings, "true")


def test_a_host_that_stays_silent_is_told_as_such(
    settings: NodeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, **__: object) -> None:
        # As paramiko's channels do.
        raise TimeoutError

    monkeypatch.setattr(paramiko.SSHClient, "exec_command", silent)
    with connected(settings) as client, pytest.raises(HostUnreachableError, match="nothing came for 120 sec"):
        run_script(client, settings, "true")
