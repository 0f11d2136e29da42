"""A kubeconfig of a cluster that is not there, for what must not ask one or must bear that none answers."""

from collections.abc import Mapping
from typing import Any

NO_CLUSTER: Mapping[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:9"}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "users": [{"name": "none", "user": {}}],
    "current-context": "none",
}
