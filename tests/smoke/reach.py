"""Services of the cluster at an address of this machine, by port-forward."""

import contextlib
from collections.abc import Iterator

import kr8s
from kr8s.objects import Service


@contextlib.contextmanager
def reached(api: kr8s.Api, namespace: str, name: str, port: int) -> Iterator[str]:
    """Give the URL at which a port of a Service is reached.

    Args:
        api: The cluster.
        namespace: Where the Service is.
        name: Its name.
        port: One of its ports; a port-forward asks for that of the pod.
    """
    service = Service.get(name, namespace=namespace, api=api)
    named = next(one for one in service.raw["spec"]["ports"] if one["port"] == port)
    target = named["targetPort"]
    if not isinstance(target, int):
        pod = service.ready_pods()[0]
        ports = [one for container in pod.raw["spec"]["containers"] for one in container.get("ports", [])]
        target = next(one["containerPort"] for one in ports if one.get("name") == target)
    with service.portforward(remote_port=int(target), local_port="auto") as local:
        yield f"http://127.0.0.1:{local}"
