"""K3s: the node, the cluster's DNS, the metrics that autoscaling stands on."""

import socket
import struct

import kr8s
import pytest
from kr8s.objects import Node, Pod, new_class

from a1platform import versions
from a1platform.platform import namespaces
from a1platform.platform.selection import OPTIONAL
from a1platform.platform.sizes import PRIORITY
from tests.smoke.conftest import listed

pytestmark = pytest.mark.smoke

NodeMetrics = new_class(
    "NodeMetrics", "metrics.k8s.io/v1beta1", asyncio=False, namespaced=False, plural="nodes"
)


def test_every_node_is_ready_and_runs_the_pinned_release(api: kr8s.Api) -> None:
    nodes = listed(Node, api)
    assert nodes
    for node in nodes:
        status = node.raw["status"]
        ready = next(entry for entry in status["conditions"] if entry["type"] == "Ready")
        assert ready["status"] == "True", f"{node.name}: {ready['message']}"
        assert status["nodeInfo"]["kubeletVersion"] == versions.K3S


def test_the_clusters_dns_knows_the_api_server(api: kr8s.Api) -> None:
    pod = listed(Pod, api, namespace="kube-system", label_selector="k8s-app=kube-dns")[0]
    with pod.portforward(remote_port=53) as port, socket.create_connection(("127.0.0.1", port), 10) as line:
        line.settimeout(10)
        answers = _ask(line, "kubernetes.default.svc.cluster.local")
    assert answers == 1


def test_metrics_server_measures_every_node(api: kr8s.Api) -> None:
    measured = {entry.name: entry.raw["usage"] for entry in listed(NodeMetrics, api)}
    assert set(measured) == {node.name for node in listed(Node, api)}
    assert all(usage["cpu"] not in ("0", "") for usage in measured.values())


def test_every_part_is_preferred_to_services_that_scale_out(api: kr8s.Api) -> None:
    spaces = [name for part, names in namespaces.PARTS.items() if part not in OPTIONAL for name in names]
    pods = [pod for name in spaces for pod in listed(Pod, api, namespace=name)]
    classes = {f"{pod.namespace}/{pod.name}": pod.raw["spec"].get("priorityClassName") for pod in pods}
    assert {name: one for name, one in classes.items() if one != PRIORITY} == {}


def _ask(line: socket.socket, name: str) -> int:
    """Return the number of address records that a DNS server gives over TCP (RFC 1035)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
    line.sendall(struct.pack(">H", len(query)) + query)
    answer = b""
    while len(answer) < 14:  # two bytes of length, then a header of twelve
        received = line.recv(512)
        assert received, "the DNS server closed the connection without an answer"
        answer += received
    return int(struct.unpack(">H", answer[8:10])[0])
