"""Services of the cluster at an address of this machine, by port-forward; and a pod of a service."""

import contextlib
from collections.abc import Callable, Iterator

import kr8s
from kr8s.objects import Pod, Service
from mcp import Client

from tests.smoke.conftest import listed

Connect = Callable[..., contextlib.AbstractAsyncContextManager[Client]]
"""Opens a client of the gateway, with headers beside its own."""


def ready_pods(api: kr8s.Api, namespace: str, selector: dict[str, str]) -> list[Pod]:
    """Return the pods that are ready and stay.

    Args:
        api: The cluster.
        namespace: Where the pods are.
        selector: Their labels.
    """
    return [pod for pod in listed(Pod, api, namespace=namespace, label_selector=selector) if _is_ready(pod)]


def ready_pod(api: kr8s.Api, namespace: str, selector: dict[str, str]) -> Pod:
    """Return a pod that is ready and stays.

    Args:
        api: The cluster.
        namespace: Where the pod is.
        selector: Its labels.
    """
    ready = ready_pods(api, namespace, selector)
    assert ready, f"no pod of {selector} in {namespace} is ready"
    return ready[0]


@contextlib.contextmanager
def reached(api: kr8s.Api, namespace: str, name: str, port: int) -> Iterator[str]:
    """Give the URL at which a port of a Service is reached.

    Args:
        api: The cluster.
        namespace: Where the Service is.
        name: Its name.
        port: One of its ports; a port-forward asks for that of the pod.
    """
    spec = Service.get(name, namespace=namespace, api=api).raw["spec"]
    pod = ready_pod(api, namespace, dict(spec["selector"]))
    target = next(one for one in spec["ports"] if one["port"] == port)["targetPort"]
    if not isinstance(target, int):
        ports = [one for container in pod.raw["spec"]["containers"] for one in container.get("ports", [])]
        target = next(one["containerPort"] for one in ports if one.get("name") == target)
    with pod.portforward(remote_port=int(target), local_port="auto") as local:
        yield f"http://127.0.0.1:{local}"


def _is_ready(pod: Pod) -> bool:
    conditions = pod.raw["status"].get("conditions", [])
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and "deletionTimestamp" not in pod.raw["metadata"]
