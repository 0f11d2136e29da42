"""The pods of a service: which there are, since when they run; and one that runs a program of a test's."""

from collections.abc import Mapping
from typing import Any

import kr8s
from kr8s.objects import Deployment, Pod

from a1platform import naming
from a1platform.services.catalog import GATEWAY
from a1platform.services.resolve import NAMESPACE
from tests.smoke.conftest import listed
from tests.smoke.rest import Manifest

INTERPRETER = "/usr/bin/python3.11"
"""The one program in the services' image."""


def pods_of(api: kr8s.Api, service: str | None = None) -> list[Pod]:
    """Return the pods of a service, or of all of them, those on their way out too."""
    labels = naming.selector(service) if service else {"app.kubernetes.io/part-of": naming.PART_OF}
    return listed(Pod, api, namespace=NAMESPACE, label_selector=labels)


def running_since(api: kr8s.Api, *services: str) -> dict[str, list[str]]:
    """Return when each container of each pod was started, by the pod's name; of all services by default."""
    found = [pod for name in services or (None,) for pod in pods_of(api, name)]
    return {
        pod.name: [_since(one) for one in pod.raw["status"].get("containerStatuses", [])] for pod in found
    }


def _since(container: Mapping[str, Any]) -> str:
    return str(container["state"].get("running", {}).get("startedAt", "never"))


def is_leaving(pod: Pod) -> bool:
    """Tell whether a pod has been told to end."""
    return "deletionTimestamp" in pod.raw["metadata"]


def services_image(api: kr8s.Api) -> str:
    """Return the image that the gateway runs."""
    raw = Deployment.get(GATEWAY, namespace=NAMESPACE, api=api).raw
    return str(raw["spec"]["template"]["spec"]["containers"][0]["image"])


def program_pod(where: Manifest, image: str, program: str) -> Manifest:
    """Return a pod that runs a program with the content of the Secret of its own name as its environment.

    Args:
        where: Its metadata.
        image: The services' image.
        program: Python text.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": where,
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "program",
                    "image": image,
                    "command": [INTERPRETER, "-u", "-c", program],
                    "envFrom": [{"secretRef": {"name": where["name"]}}],
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "128Mi"},
                        "limits": {"memory": "256Mi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                }
            ],
        },
    }
