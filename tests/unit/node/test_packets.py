"""The firewall against packets: a node, its pod, a peer and a neighbour, each in a network of its own."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from a1platform.node.hardening.firewall import render_rules
from a1platform.settings.node import FirewallSettings

_NODE, _NEIGHBOUR, _PEER, _POD = "192.0.2.10", "192.0.2.11", "192.0.2.12", "10.42.0.5"
# A pod of the peer, reached without a tunnel as with flannel's host-gw, and two that the neighbour makes up.
_PEERS_POD, _FORGED = "10.42.1.1", ("10.42.0.77", "10.42.1.77")
_NETWORK = f"""set -eu
mount -t tmpfs none /run
mkdir /run/netns
ip link add br0 type bridge
ip link set br0 up
for one in node:{_NODE} neighbour:{_NEIGHBOUR} peer:{_PEER}; do
    name=${{one%:*}}
    ip netns add "$name"
    ip link add "to-$name" type veth peer name eth0 netns "$name"
    ip link set "to-$name" master br0 up
    ip -n "$name" link set lo up
    ip -n "$name" address add "${{one#*:}}/24" dev eth0
    ip -n "$name" link set eth0 up
done
ip netns add pod
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
_CONNECT = """
import json, socket, sys
found = []
for source in sys.argv[2:]:
    with socket.socket() as one:
        one.settimeout(1)
        one.bind((source, 0))
        try:
            one.connect((sys.argv[1], 81))
        except OSError as error:
            # Nobody listens: who is refused has been there.
            found.append(isinstance(error, ConnectionRefusedError))
print(json.dumps(found))
"""


def _arrives(
    folder: Path, peers: tuple[str, ...], tries: tuple[tuple[str, str, tuple[str, ...]], ...]
) -> list[bool]:
    """Return which packets arrive: from which network, to which address, with which sources."""
    if any(shutil.which(one) is None for one in ("nft", "ip", "unshare", "python3")):
        pytest.skip("no nft, ip or unshare here")
    (folder / "rules.nft").write_text(render_rules(FirewallSettings(), peers))
    (folder / "connect.py").write_text(_CONNECT)
    calls = [
        f"ip netns exec {name} python3 {folder}/connect.py {target} {' '.join(sources)}"
        for name, target, sources in tries
    ]
    script = "\n".join((_NETWORK, *calls))
    command = ["unshare", "--mount", "--net", "bash", "-s", "--", str(folder / "rules.nft")]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    if any(word in done.stderr for word in ("not permitted", "ermission denied")):
        pytest.skip(f"no network of its own here: {done.stderr.strip()}")
    assert done.stderr == ""
    return [one for line in done.stdout.splitlines() for one in json.loads(line)]


def test_only_the_cluster_gets_to_a_pod(tmp_path: Path) -> None:
    tries = (
        ("neighbour", _POD, (_NEIGHBOUR, *_FORGED)),
        ("peer", _POD, (_PEER, _PEERS_POD)),
        ("node", _POD, ("10.42.0.1",)),
        ("pod", _PEER, (_POD,)),
        ("pod", _NODE, (_POD,)),
    )
    from_outside, from_the_cluster = [False] * 3, [True] * 5
    assert _arrives(tmp_path, (_PEER,), tries) == [*from_outside, *from_the_cluster]


def test_an_address_beside_a_node_without_peers_is_none_of_the_clusters(tmp_path: Path) -> None:
    assert _arrives(tmp_path, (), (("peer", _POD, (_PEER,)), ("node", _POD, ("10.42.0.1",)))) == [False, True]
