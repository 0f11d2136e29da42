"""What of a sandbox node can be said without an engine."""

import ipaddress
import stat
from pathlib import Path

import paramiko
import pytest

from sandbox.engine import EngineError
from sandbox.node.keys import key_pair
from sandbox.node.network import free_address, routes

SUBNET = ipaddress.IPv4Network("10.213.0.0/29")


def test_a_key_pair_is_made_once_and_stays_readable_by_its_owner_only(tmp_path: Path) -> None:
    made = key_pair(tmp_path / "node" / "id_ed25519")
    assert key_pair(made.path) == made
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700


def test_a_key_whose_making_was_cut_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path, __: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as during:
        during.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            key_pair(tmp_path / "id_ed25519")
    assert key_pair(tmp_path / "id_ed25519").public.startswith("ssh-ed25519 ")
    assert [path.name for path in tmp_path.iterdir()] == ["id_ed25519"]


def test_an_ssh_client_reads_the_private_key_and_finds_the_same_public_key(tmp_path: Path) -> None:
    made = key_pair(tmp_path / "id_ed25519")
    read = paramiko.Ed25519Key.from_private_key_file(str(made.path))
    assert made.public == f"ssh-ed25519 {read.get_base64()}"


def test_a_node_gets_the_lowest_address_that_is_free_after_the_bridges_own() -> None:
    assert free_address(SUBNET, []) == "10.213.0.2"
    assert free_address(SUBNET, ["10.213.0.2", "10.213.0.4"]) == "10.213.0.3"


def test_a_full_subnet_is_refused_by_name() -> None:
    with pytest.raises(EngineError, match=r"10\.213\.0\.0/29 is taken"):
        free_address(SUBNET, [f"10.213.0.{last}" for last in range(2, 7)])


def test_a_machine_without_ip_is_asked_for_its_routes_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010000C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0000D50A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "tun0\t0001D50A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n"
    )
    assert [str(network) for network in routes(table)] == ["10.213.0.0/24", "10.213.1.0/32"]
    assert list(routes(tmp_path / "none")) == []
    assert all(network.prefixlen for network in routes())
