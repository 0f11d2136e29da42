"""A hardened node over its whole life: in force, drifted, repaired, started anew, given back."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko
import pytest

from a1platform.cli.audit import declared
from a1platform.cli.stack_file import StackFile
from a1platform.naming import PROJECT
from a1platform.node.connection import connected, run_script
from a1platform.node.hardening import GROUP, changes
from a1platform.node.hardening.firewall import CLUSTER_RANGES
from a1platform.node.host_change import render_script
from sandbox.engine import Engine
from sandbox.node import Node, reboot
from sandbox.pulumi import PulumiError
from tests.sandbox.deployment import (
    DESTROY,
    UP,
    Deployment,
    all_concerns,
    assert_repaired,
    audit,
    started_since,
)
from tests.sandbox.snapshot import differences, snapshot
from tests.sandbox.tampering import LAST, TAMPER, TAMPER_SSHD

pytestmark = [pytest.mark.sandbox, pytest.mark.long, pytest.mark.timeout(1800)]

_GUARD_SECONDS = 20


def test_everything_is_in_force_and_a_second_up_changes_and_restarts_nothing(hardened: Deployment) -> None:
    assert audit(hardened) == ()
    started = started_since(hardened)
    hardened.stack.read(*UP, "--expect-no-changes")
    assert started_since(hardened) == started


@pytest.mark.parametrize("what", TAMPER)
def test_what_was_tampered_with_is_named_by_the_audit_and_repaired_by_up(
    hardened: Deployment, what: str
) -> None:
    command, concern = TAMPER[what]
    assert_repaired(hardened, command, concern)
    assert hardened.changed() == [concern.split()[0]]


@pytest.mark.parametrize("what", TAMPER_SSHD)
def test_what_wins_over_our_sshd_file_is_named_and_up_says_that_a_person_has_to_take_it_away(
    hardened: Deployment, what: str
) -> None:
    tamper, repair = TAMPER_SSHD[what]
    hardened.on_node(tamper)
    try:
        found = {deviation.concern: deviation.found for deviation in audit(hardened)}
        assert found["sshd PasswordAuthentication"] == "yes"
        with pytest.raises(PulumiError, match="Match block for everybody that wins over ours"):
            hardened.stack.read(*UP)
    finally:
        hardened.on_node(repair)
    hardened.stack.read(*UP)
    assert audit(hardened) == ()


def test_a_line_that_wins_over_our_kernel_parameters_at_boot_is_named_and_up_says_that_a_person_has_to_end_it(
    hardened: Deployment,
) -> None:
    file = "/etc/sysctl.d/local.conf"
    hardened.on_node(f"echo net.ipv4.tcp_syncookies = 0 > {file}")
    try:
        assert {deviation.concern: deviation.found for deviation in audit(hardened)} == {
            "sysctl net.ipv4.tcp_syncookies at boot": f"0 by {file}:1"
        }
        with pytest.raises(PulumiError, match=r"found a line of sysctl\.d that wins over"):
            hardened.stack.read(*UP)
    finally:
        hardened.on_node(f"rm {file}")
    assert audit(hardened) == ()
    hardened.stack.read(*UP)


def test_another_firewall_is_named_and_up_says_that_a_person_has_to_switch_it_off(
    hardened: Deployment,
) -> None:
    hardened.on_node("mkdir -p /etc/ufw && echo ENABLED=yes > /etc/ufw/ufw.conf")
    try:
        assert {deviation.concern: deviation.found for deviation in audit(hardened)} == {
            "firewall beside ours": "ufw"
        }
        with pytest.raises(PulumiError, match="found ufw switched on beside ours"):
            hardened.stack.read(*UP)
    finally:
        # The folder is older: openssh-server has a profile for ufw in it.
        hardened.on_node("rm /etc/ufw/ufw.conf")
    hardened.stack.read(*UP)
    assert audit(hardened) == ()


def test_a_match_block_of_the_site_holds_for_whom_it_names(hardened: Deployment) -> None:
    block = '"Match User backup LocalPort 22" "MaxSessions 9"'
    hardened.on_node(f'printf "%s\\n" {block} > {LAST} && systemctl reload ssh')
    try:
        assert audit(hardened) == ()
    finally:
        # It listens anew a moment after it was told to.
        hardened.on_node(f"rm {LAST} && systemctl reload ssh && sleep 1")


def test_a_preview_shows_the_repair_and_changes_nothing(hardened: Deployment) -> None:
    hardened.on_node("sysctl -w net.ipv4.conf.all.accept_redirects=1")
    said = hardened.stack.read("preview")
    assert "sysctl net.ipv4.conf.all.accept_redirects: found 1, expected 0" in said
    assert len(audit(hardened)) == 1
    hardened.stack.read(*UP)
    assert audit(hardened) == ()


def _in_pod(hardened: Deployment, app: str, command: str) -> str:
    """Run one of the node's own programs in the network of a pod, which has none."""
    pid = (
        "$(crictl inspect --output go-template --template {{.info.pid}} $(crictl ps --quiet --name "
        + app
        + "))"
    )
    return hardened.on_node(f"nsenter --net --target {pid} {command}")


def test_pods_reach_pods_services_and_the_dns_through_the_firewall(hardened: Deployment) -> None:
    address = hardened.on_node(
        "kubectl -n kube-system get pods -l k8s-app=kube-dns -o jsonpath={.items[0].status.podIP}"
    )
    assert _in_pod(hardened, "metrics-server", f"curl -s -m 5 http://{address}:8080/health") == "OK"
    answer = _in_pod(hardened, "metrics-server", "curl -sk -m 5 https://10.43.0.1/livez")
    assert "Unauthorized" in answer
    # Asked for by UDP, a name that only the cluster's DNS knows: header, name, type A, class IN.
    labels = ["kubernetes", "default", "svc", "cluster", "local"]
    name = "".join(f"{len(one):02x}{one.encode().hex()}" for one in labels)
    packet = f"a10101000001000000000000{name}0000010001"
    query = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); "
        f's.sendto(bytes.fromhex(\\"{packet}\\"), (\\"10.43.0.10\\", 53)); '
        "print(socket.inet_ntoa(s.recv(512)[-4:]))"
    )
    assert _in_pod(hardened, "metrics-server", f'python3 -c "{query}"') == "10.43.0.1"
    available = "kubectl wait --for=condition=Available apiservice/v1beta1.metrics.k8s.io --timeout=60s"
    assert "condition met" in hardened.on_node(available)


_SCAN = """
import asyncio, sys
async def probe(port, gate):
    async with gate:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(sys.argv[1], port), 2)
        except (OSError, asyncio.TimeoutError):
            return None
        writer.close()
        return port
async def main():
    gate = asyncio.Semaphore(2000)
    found = await asyncio.gather(*(probe(port, gate) for port in range(1, 65536)))
    print(*(port for port in found if port))
asyncio.run(main())
"""


def test_a_port_scan_from_another_machine_finds_only_what_the_rules_allow(
    hardened: Deployment, start_node: Callable[[str], Node]
) -> None:
    hardened.on_node(
        "kubectl -n kube-system expose deployment coredns --name scan --type NodePort --port 9153"
    )
    try:
        port = hardened.on_node(
            "kubectl -n kube-system get service scan -o jsonpath={.spec.ports[0].nodePort}"
        )
        itself = f"curl -s -m 5 http://{hardened.node.address}:{port}/metrics | grep -c ^coredns"
        assert int(hardened.on_node(itself)) > 0
        with start_node("scanner").connect() as client:
            stdin, output, _ = client.exec_command(
                f"ulimit -n 4096; python3 - {hardened.node.address}", timeout=300
            )
            stdin.write(_SCAN)
            stdin.channel.shutdown_write()
            assert output.read().decode().split() == ["22", "6443"]
    finally:
        hardened.on_node("kubectl -n kube-system delete service scan")


def test_another_machine_with_a_route_through_the_node_reaches_neither_pods_nor_services(
    hardened: Deployment, start_node: Callable[[str], Node]
) -> None:
    address = hardened.on_node(
        "kubectl -n kube-system get pods -l k8s-app=kube-dns -o jsonpath={.items[0].status.podIP}"
    )
    with start_node("neighbour").connect() as client:

        def answer(url: str) -> str:
            _, output, _ = client.exec_command(f"curl -sk -m 3 {url}", timeout=30)
            return output.read().decode()

        for inside in CLUSTER_RANGES:
            _, output, _ = client.exec_command(f"sudo -n ip route add {inside} via {hardened.node.address}")
            assert output.channel.recv_exit_status() == 0
        urls = (f"http://{address}:8080/health", "https://10.43.0.1/livez")
        assert [answer(url) for url in urls] == ["", ""]
        # It is the rule that keeps it out, and nothing else on the way.
        hardened.on_node("nft insert rule inet a1 cluster accept")
        try:
            assert answer(urls[0]) == "OK"
        finally:
            hardened.on_node("nft -f /etc/a1/firewall-confirmed.nft")
        assert answer(urls[0]) == ""
    assert audit(hardened) == ()


def test_rules_of_a_run_that_was_cut_are_taken_back_whoever_connects_meanwhile(hardened: Deployment) -> None:
    def closed(config: dict[str, Any]) -> None:
        all_concerns(config)
        config[f"{PROJECT}:hardening"]["firewall"] = {"webRanges": [], "confirmSeconds": _GUARD_SECONDS}

    opened = "nft list chain inet a1 web | grep -c nfproto"
    before = hardened.on_node(opened)
    hardened.configure(closed)
    assert hardened.stack.config
    wanted = declared(StackFile(hardened.stack.config))
    hardened.configure(all_concerns)
    node = wanted.nodes[0]
    script = render_script(changes(wanted.hardening, node.user, inside=wanted.k3s.inside), GROUP)
    with connected(node) as client:
        assert run_script(client, node, script, "apply").status == 0
    # Each of these is a new connection, as that of anybody who scans the network.
    assert hardened.on_node(opened) == "0"
    deadline = time.monotonic() + 3 * _GUARD_SECONDS
    while hardened.on_node(opened) != before:
        assert time.monotonic() < deadline
        time.sleep(2)
    assert hardened.on_node("systemctl is-enabled a1-firewall") == "enabled"
    assert hardened.on_node("grep -c nfproto /etc/a1/firewall-confirmed.nft") != "0"
    assert "firewall table inet a1" in {deviation.concern for deviation in audit(hardened)}
    hardened.stack.read(*UP)
    assert audit(hardened) == ()
    hardened.stack.read(*UP, "--expect-no-changes")


def test_rules_that_lock_everybody_out_take_themselves_back(hardened: Deployment) -> None:
    def lock_out(config: dict[str, Any]) -> None:
        all_concerns(config)
        config[f"{PROJECT}:hardening"]["firewall"] = {
            "adminRanges": ["192.0.2.0/24"],
            "confirmSeconds": _GUARD_SECONDS,
        }

    hardened.configure(lock_out)
    try:
        with pytest.raises(PulumiError):
            hardened.stack.read(*UP)
    finally:
        hardened.configure(all_concerns)
    deadline = time.monotonic() + 3 * _GUARD_SECONDS
    while True:
        try:
            hardened.node.connect().close()
            break
        except (OSError, paramiko.SSHException):
            assert time.monotonic() < deadline
    # A restart in between would bring the rules that somebody has got in with.
    assert hardened.on_node("systemctl is-enabled a1-firewall") == "enabled"
    assert hardened.on_node("grep -c 192.0.2.0 /etc/a1/firewall-confirmed.nft") == "0"
    hardened.stack.read(*UP)
    assert audit(hardened) == ()


def test_after_a_restart_everything_is_still_in_force(
    hardened: Deployment, engine: Engine, group: str
) -> None:
    reboot(engine, hardened.node.name, group)
    deadline = time.monotonic() + 180
    while audit(hardened) and time.monotonic() < deadline:
        time.sleep(3)
    assert audit(hardened) == ()
    hardened.stack.read(*UP, "--expect-no-changes")


def test_tunnels_and_copies_work_and_neither_root_nor_a_password_gets_in(
    hardened: Deployment, tmp_path: Path
) -> None:
    with hardened.node.connect() as client:
        (tmp_path / "sent").write_text("text")
        client.open_sftp().put(str(tmp_path / "sent"), "sent")
        connected = client.get_transport()
        assert connected is not None
        connected.open_channel("direct-tcpip", ("127.0.0.1", 6443), ("127.0.0.1", 0)).close()
        client.exec_command("rm sent")[1].channel.recv_exit_status()
    with paramiko.Transport((hardened.node.address, 22)) as transport:
        transport.start_client(timeout=10)
        with pytest.raises(paramiko.BadAuthenticationType) as refused:
            transport.auth_none(hardened.node.user)
        assert refused.value.allowed_types == ["publickey"]
    with paramiko.Transport((hardened.node.address, 22)) as transport:
        transport.start_client(timeout=10)
        key = paramiko.Ed25519Key.from_private_key_file(str(hardened.node.private_key))
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_publickey("root", key)


def test_a_concern_that_is_switched_off_is_undone_and_no_other(hardened: Deployment) -> None:
    def without_login(config: dict[str, Any]) -> None:
        all_concerns(config)
        config[f"{PROJECT}:hardening"]["login"] = {"enabled": False, "reason": "a test"}

    hardened.configure(without_login)
    hardened.stack.read(*UP)
    assert (
        hardened.on_node(
            "ls /etc/profile.d/90-a1.sh 2>/dev/null; grep -c SHA_CRYPT_MIN_ROUNDS.65 /etc/login.defs"
        )
        == "0"
    )
    assert audit(hardened) == ()
    hardened.configure(all_concerns)
    hardened.stack.read(*UP)
    assert audit(hardened) == ()


def test_destroy_gives_the_host_back_as_it_was(hardened: Deployment, before: dict[str, str]) -> None:
    hardened.stack.read(*DESTROY)
    # What the tests' own kubectl has found out.
    hardened.on_node("rm -rf /root/.kube")
    assert differences(before, snapshot(hardened.node)) == []
