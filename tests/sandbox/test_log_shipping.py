"""Audit logs on their way to an endpoint of the test's own, on a node with a real K3s."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from a1platform.naming import PROJECT
from a1platform.node.hardening.log_shipping import CONF, HOST_AUDIT_LOG, UNIT
from sandbox.cache import Cache
from sandbox.engine import Engine
from sandbox.node import Node
from sandbox.node.network import bridge_address
from tests.sandbox.deployment import DESTROY, UP, Deployment, deployment
from tests.sandbox.log_receiver import LogReceiver
from tests.sandbox.packages import offer
from tests.sandbox.snapshot import differences, snapshot

pytestmark = [pytest.mark.sandbox, pytest.mark.long, pytest.mark.timeout(900)]

_NAME = "logs.example.org"
# The kernel's audit belongs to the host of the container, so auditd does not run in it.
_AS_AUDITD = f"mkdir -p {Path(HOST_AUDIT_LOG).parent} && echo {{}} >> {HOST_AUDIT_LOG}"


@pytest.fixture(scope="module")
def receiver(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogReceiver]:
    made = LogReceiver(tmp_path_factory.mktemp("receiver"), bridge_address(engine), _NAME)
    yield made
    made.stop()


def _endpoint(receiver: LogReceiver, address: str, **other: str) -> Callable[[dict[str, Any]], None]:
    def configured(config: dict[str, Any]) -> None:
        config[f"{PROJECT}:hardening"]["logEndpoint"] = {
            "host": address,
            "port": receiver.port,
            "name": _NAME,
            "ca": receiver.certificate,
            **other,
        }

    return configured


@pytest.fixture(scope="module")
def bare(
    cache: Cache, start_node: Callable[[str], Node], tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    node = start_node("a1")
    offer(node, cache, "rsyslog", "rsyslog-gnutls")
    return deployment(cache, node, tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def before(bare: Deployment) -> dict[str, str]:
    return snapshot(bare.node)


@pytest.fixture(scope="module")
def shipping(
    bare: Deployment, before: dict[str, str], receiver: LogReceiver, engine: Engine
) -> Iterator[Deployment]:
    assert before
    bare.configure(_endpoint(receiver, bridge_address(engine)))
    bare.stack.read(*UP)
    yield bare
    if bare.stack.exists():
        bare.stack.read(*DESTROY)


def test_what_the_api_server_and_the_host_write_arrives(shipping: Deployment, receiver: LogReceiver) -> None:
    shipping.on_node("kubectl create configmap seen-from-afar")
    assert receiver.got("kube-apiserver-audit", "seen-from-afar")
    shipping.on_node(_AS_AUDITD.format("type=USER_LOGIN for the test"))
    assert receiver.got("auditd", "type=USER_LOGIN for the test")


def test_the_hosts_own_files_are_kept_and_it_gets_no_second_copy_of_its_journal(shipping: Deployment) -> None:
    assert shipping.on_node("grep -c seen-from-afar /var/lib/rancher/k3s/server/logs/audit.log") != "0"
    assert shipping.on_node("systemctl is-active rsyslog.service || true") == "inactive"


def test_a_second_up_changes_and_restarts_nothing(shipping: Deployment) -> None:
    started = shipping.on_node(f"systemctl show {UNIT} -P MainPID")
    shipping.stack.read(*UP, "--expect-no-changes")
    assert shipping.on_node(f"systemctl show {UNIT} -P MainPID") == started


def test_what_is_written_while_the_endpoint_is_away_arrives_once_it_is_back(
    shipping: Deployment, receiver: LogReceiver
) -> None:
    receiver.stop()
    for number in range(3):
        shipping.on_node(f"kubectl create configmap while-away-{number}")
    shipping.on_node(f"systemctl restart {UNIT}")
    receiver.start()
    for number in range(3):
        assert receiver.got("kube-apiserver-audit", f"while-away-{number}")


def test_what_the_queue_has_no_room_for_waits_in_the_files(
    shipping: Deployment, receiver: LogReceiver
) -> None:
    """The queue is made small for it; rsyslog reads up to 1024 lines at once, so it may not be smaller."""
    smaller = f'sed \'s/queue.size="[0-9]*"/queue.size="3000"/\' {CONF} > /run/small.conf'
    unit = f"/run/systemd/system/{UNIT}.d"
    start = "ExecStart=/usr/sbin/rsyslogd -n -iNONE -f /run/small.conf"
    shipping.on_node(
        f"{smaller}; mkdir -p {unit}; printf '[Service]\\nExecStart=\\n{start}\\n' > {unit}/small.conf; "
        f"systemctl daemon-reload; systemctl restart {UNIT}"
    )
    try:
        receiver.stop()
        shipping.on_node(
            f"for i in $(seq 8000); do echo type=QUEUED number=$i,; done >> {HOST_AUDIT_LOG}; sleep 30"
        )
        receiver.start()
        assert receiver.got("auditd", "number=8000,")
        for number in (1, 2999, 3001, 5000, 7999):
            assert receiver.got("auditd", f"number={number},")
    finally:
        shipping.on_node(f"rm -r {unit} /run/small.conf; systemctl daemon-reload; systemctl restart {UNIT}")


def test_an_endpoint_that_is_somebody_else_gets_nothing_and_the_journal_says_so(
    shipping: Deployment, receiver: LogReceiver, engine: Engine, tmp_path: Path
) -> None:
    other = LogReceiver(tmp_path, bridge_address(engine), "other.example.org")
    try:
        # With a certificate that is trusted, for another name.
        shipping.configure(
            _endpoint(other, bridge_address(engine), ca=receiver.certificate + other.certificate)
        )
        shipping.stack.read(*UP)
        shipping.on_node("kubectl create configmap for-nobody-else")
        shipping.on_node(
            "for i in $(seq 60); do journalctl -u a1-log-shipping | grep -q permitted && break; sleep 1; done"
        )
        assert other.frames == []
        assert "not permitted" in shipping.on_node(f"journalctl -u {UNIT}")
    finally:
        other.stop()
        shipping.configure(_endpoint(receiver, bridge_address(engine)))
        shipping.stack.read(*UP)
    assert receiver.got("kube-apiserver-audit", "for-nobody-else")


def test_destroy_gives_the_host_back_as_it_was(shipping: Deployment, before: dict[str, str]) -> None:
    shipping.stack.read(*DESTROY)
    # What the tests' own kubectl has found out.
    shipping.on_node("rm -rf /root/.kube")
    assert differences(before, snapshot(shipping.node)) == []
