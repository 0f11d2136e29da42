"""The firewall against packets: a node, its pod, a peer and a neighbour, each in a network of its own."""

import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from a1platform.node.hardening.firewall import render_rules
from a1platform.settings.node import FirewallSettings
from a1platform.settings.peers import Peers

_NODE, _NEIGHBOUR, _PEER, _POD = "192.0.2.10", "192.0.2.11", "192.0.2.12", "10.42.0.5"
# An address of a LoadBalancer that no machine has, and whom the site wants to be reached by.
_BALANCED, _CUSTOMER = "192.0.2.200", "192.0.2.99"
_NODE6, _NEIGHBOUR6, _CUSTOMER6, _POD6 = "fd00:2::10", "fd00:2::11", "fd00:2::99", "fd00:42::5"
_PEER6 = "fd00:2::12"
_PEERS = Peers((_PEER,), (_PEER,))
_INSIDE = ("10.42.0.0/16", "10.43.0.0/16", "fd00:42::/48")
# A pod of the peer, reached without a tunnel as with flannel's host-gw, and two that the neighbour makes up.
_PEERS_POD, _FORGED = "10.42.1.1", ("10.42.0.77", "10.42.1.77")
_NETWORK = f"""set -eu
mount -t tmpfs none /run
mkdir /run/netns
a1_netns() {{
    ip netns add "$1"
    # Else addresses, also those that neighbours are asked from, are of no use for the first seconds.
    ip netns exec "$1" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
}}
ip link add br0 type bridge
ip link set br0 up
for one in node:{_NODE} neighbour:{_NEIGHBOUR} peer:{_PEER}; do
    name=${{one%:*}}
    a1_netns "$name"
    ip link add "to-$name" type veth peer name eth0 netns "$name"
    ip link set "to-$name" master br0 up
    ip -n "$name" link set lo up
    ip -n "$name" address add "${{one#*:}}/24" dev eth0
    ip -n "$name" link set eth0 up
done
a1_netns pod
ip -n node link add cni0 type veth peer name eth0 netns pod
ip -n node address add 10.42.0.1/24 dev cni0
ip -n node link set cni0 up
ip -n pod address add {_POD}/24 dev eth0
ip -n pod link set eth0 up
ip -n pod route add default via 10.42.0.1
ip netns exec node sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
for name in neighbour peer; do ip -n "$name" route add 10.42.0.0/24 via {_NODE}; done
ip -n peer address add {_PEERS_POD}/24 dev lo
ip -n node route add 10.42.1.0/24 via {_PEER}
for forged in {" ".join(_FORGED)}; do ip -n neighbour address add "$forged/32" dev lo; done
ip netns exec node nft -f "$1"
"""
_FAMILIES = f"""
ip -n neighbour address add {_CUSTOMER}/32 dev eth0
ip -n node -6 address add {_NODE6}/64 dev eth0 nodad
ip -n neighbour -6 address add {_NEIGHBOUR6}/64 dev eth0 nodad
ip -n neighbour -6 address add {_CUSTOMER6}/128 dev eth0 nodad
ip -n peer -6 address add {_PEER6}/64 dev eth0 nodad
# Else the kernel tells only some of the tries that nobody listens.
for file in ipv4/icmp_ratelimit ipv6/icmp/ratelimit; do
    ip netns exec node sh -c "echo 0 >/proc/sys/net/$file"
done
"""
# As kube-proxy does it on each node, for its own address, those of the others and of a LoadBalancer.
_PUBLISHED = f"""
for address in {_PEER} {_BALANCED}; do ip -n neighbour route add "$address/32" via {_NODE}; done
ip -n node -6 address add fd00:42::1/64 dev cni0 nodad
ip -n pod -6 address add {_POD6}/64 dev eth0 nodad
ip -n pod -6 route add default via fd00:42::1
ip -n neighbour -6 route add fd00:200::/64 via {_NODE6}
ip netns exec node sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
ip netns exec node nft -f - <<'END'
table inet kube {{
    chain prerouting {{
        type nat hook prerouting priority dstnat;
        ip daddr {{ {_NODE}, {_PEER}, {_BALANCED} }} tcp dport {{ 80, 30080 }} dnat ip to {_POD}:81
        ip daddr {{ {_NODE}, {_PEER}, {_BALANCED} }} udp dport 80 dnat ip to {_POD}:81
        ip6 daddr fd00:200::1 tcp dport 80 dnat ip6 to [{_POD6}]:81
    }}
}}
END
"""
_CONNECT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def arrives(what):
    protocol, target, port, source = what
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, kind) as one:
        one.settimeout(1)
        one.bind((source, 0))
        try:
            one.connect((target, port))
            one.send(b"a")
            one.recv(1)
        except OSError as error:
            # Nobody listens: who is refused has been there.
            return isinstance(error, ConnectionRefusedError)
tries = json.loads(sys.argv[1])
with ThreadPoolExecutor(len(tries)) as threads:
    print(json.dumps(list(threads.map(arrives, tries))))
"""


class Packets(NamedTuple):
    """What is tried: from which network, to which address, with which sources to each port, and how."""

    network: str
    target: str
    sources: tuple[str, ...]
    ports: tuple[int, ...] = (81,)
    protocol: str = "tcp"


def _arrives(folder: Path, rules: str, tries: tuple[Packets, ...], further: str = "") -> list[bool]:
    """Return which packets arrive."""
    if any(shutil.which(one) is None for one in ("nft", "ip", "unshare", "python3")):
        pytest.skip("no nft, ip or unshare here")
    (folder / "rules.nft").write_text(rules)
    (folder / "connect.py").write_text(_CONNECT)
    calls = []
    for network, those in itertools.groupby(tries, lambda one: one.network):
        told = [
            (one.protocol, one.target, port, source)
            for one in those
            for port in one.ports
            for source in one.sources
        ]
        calls.append(f"ip netns exec {network} python3 {folder}/connect.py '{json.dumps(told)}'")
    script = "\n".join((_NETWORK, further, *calls))
    command = ["unshare", "--mount", "--net", "bash", "-s", "--", str(folder / "rules.nft")]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    if any(word in done.stderr for word in ("not permitted", "ermission denied")):
        pytest.skip(f"no network of its own here: {done.stderr.strip()}")
    assert done.stderr == ""
    return [one for line in done.stdout.splitlines() for one in json.loads(line)]


def test_only_the_cluster_gets_to_a_pod(tmp_path: Path) -> None:
    tries = (
        Packets("neighbour", _POD, (_NEIGHBOUR, *_FORGED)),
        Packets("peer", _POD, (_PEER, _PEERS_POD)),
        Packets("node", _POD, ("10.42.0.1",)),
        Packets("pod", _PEER, (_POD,)),
        Packets("pod", _NODE, (_POD,)),
    )
    from_outside, from_the_cluster = [False] * 3, [True] * 5
    rules = render_rules(FirewallSettings(), _PEERS)
    assert _arrives(tmp_path, rules, tries) == [*from_outside, *from_the_cluster]


def test_an_address_beside_a_node_without_peers_is_none_of_the_clusters(tmp_path: Path) -> None:
    tries = (Packets("peer", _POD, (_PEER,)), Packets("node", _POD, ("10.42.0.1",)))
    assert _arrives(tmp_path, render_rules(FirewallSettings()), tries) == [False, True]


def test_what_pods_publish_is_for_the_named_ranges_whichever_address_it_is_asked_for_by(
    tmp_path: Path,
) -> None:
    settings = FirewallSettings(web_ranges=(f"{_CUSTOMER}/32", f"{_CUSTOMER6}/128"))
    outsider_and_customer = (_NEIGHBOUR, _CUSTOMER)
    tries = (
        *(Packets("neighbour", one, outsider_and_customer, (80,)) for one in (_NODE, _PEER, _BALANCED)),
        *(Packets("neighbour", one, outsider_and_customer, (80,), "udp") for one in (_PEER, _BALANCED)),
        Packets("neighbour", "fd00:200::1", (_NEIGHBOUR6, _CUSTOMER6), (80,)),
        # NodePorts are for nobody, unless they are opened.
        Packets("neighbour", _BALANCED, outsider_and_customer, (30080,)),
        # Pods and what the host merely forwards are as before.
        Packets("pod", _PEER, (_POD,), (82,)),
        Packets("neighbour", _PEER, (_NEIGHBOUR,), (82,)),
    )
    found = _arrives(tmp_path, render_rules(settings, _PEERS, _INSIDE), tries, _FAMILIES + _PUBLISHED)
    assert found == [*([False, True] * 6), False, False, True, True]


def test_the_nodes_own_ports_are_for_its_administrators_and_its_peers_alone(tmp_path: Path) -> None:
    admins = (f"{_CUSTOMER}/32", f"{_CUSTOMER6}/128")
    settings = FirewallSettings(admin_ranges=admins, web_ranges=admins)
    # The last of each are nobody's: etcd's metrics and DNS, beside a NodePort.
    tcp, udp = (22, 6443, 10250, 2379, 9100, 80, 2381, 30081), (8472, 51820, 443, 22, 53, 30081)
    tries = tuple(
        Packets(network, target, (source,), ports, protocol)
        for network, target, source in (
            *(("neighbour", _NODE, one) for one in (_NEIGHBOUR, _CUSTOMER)),
            *(("neighbour", _NODE6, one) for one in (_NEIGHBOUR6, _CUSTOMER6)),
            *(("peer", _NODE, _PEER), ("peer", _NODE6, _PEER6), ("pod", _NODE, _POD)),
        )
        for protocol, ports in (("tcp", tcp), ("udp", udp))
    )
    # By the one address the peer is a server, by the other an agent, which has no business with an etcd.
    rules = render_rules(settings, Peers((_PEER, _PEER6), (_PEER,)), _INSIDE)
    found = iter(_arrives(tmp_path, rules, tries, _FAMILIES))
    answers = [{port for port in one.ports if next(found)} for one in tries]
    outsider: list[set[int]] = [set(), set()]
    admin, peer = [{22, 6443, 80}, {443}], [{6443, 10250, 2379, 9100}, {8472, 51820}]
    agent = [peer[0] - {2379}, peer[1]]
    assert answers == [*outsider, *admin, *outsider, *admin, *peer, *agent, set(tcp), set(udp)]
