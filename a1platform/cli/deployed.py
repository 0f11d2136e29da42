"""The cluster of a kubeconfig, for `a1 dev`. Imported late: no other command pays for its libraries."""

import base64
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kr8s
from kr8s.objects import ConfigMap, Secret, Service

from a1platform.services.builders.workload import DOCUMENTS
from a1platform.services.local import ClusterError, ServicePort
from a1platform.services.resolve import NAMESPACE


class DeployedCluster:
    """Satisfies `a1platform.services.local.Cluster`."""

    def __init__(self, kubeconfig: Path) -> None:
        """Connect; raises ClusterError where nobody answers."""
        try:
            self._api: Any = kr8s.api(kubeconfig=str(kubeconfig))
            self._api.version()
        except Exception as error:
            raise ClusterError(f"{kubeconfig}: the cluster does not answer ({error})") from error

    def secret(self, name: str) -> Mapping[str, bytes]:
        """Return the content of a Secret of the services' namespace."""
        found = self._got(Secret, name, NAMESPACE)
        return {key: base64.b64decode(value) for key, value in found.raw.get("data", {}).items()}

    def documents(self) -> Mapping[str, str]:
        """Return the configuration documents by file name."""
        found: Mapping[str, str] = self._got(ConfigMap, DOCUMENTS, NAMESPACE).raw["data"]
        return found

    @contextlib.contextmanager
    def forwarded(self, port: ServicePort) -> Iterator[str]:
        """Give `host:port` on this machine; another pod is taken when the one in use ends."""
        service = self._got(Service, port.name, port.namespace)
        with service.portforward(remote_port=_target(service, port), local_port="auto") as local:
            yield f"127.0.0.1:{local}"

    def _got(self, kind: Any, name: str, namespace: str) -> Any:  # noqa: ANN401 - kr8s's classes have no common one
        try:
            return kind.get(name, namespace=namespace, api=self._api)
        except kr8s.NotFoundError as error:
            where = f"{kind.__name__} {name} in {namespace}"
            raise ClusterError(
                f"found no {where}, expected the services to be deployed (`make up`)"
            ) from error


def _target(service: Any, port: ServicePort) -> int:  # noqa: ANN401 - see above
    """Return the number of a port at the pods, which is what a port-forward asks for."""
    for one in service.raw["spec"]["ports"]:
        if one["port"] == port.port:
            target = one.get("targetPort", port.port)
            if isinstance(target, int):
                return target
            for pod in service.ready_pods():
                for container in pod.raw["spec"]["containers"]:
                    for named in container.get("ports", []):
                        if named.get("name") == target:
                            return int(named["containerPort"])
    raise ClusterError(f"found no ready pod behind {port.name}:{port.port} in {port.namespace}, expected one")
