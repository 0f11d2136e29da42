"""The pods of a service, and who they are to the Kubernetes API."""

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.services.builders.metadata import metadata, pod_labels
from a1platform.services.builders.quantity import cores, memory
from a1platform.services.builders.secrets import secret_name
from a1platform.services.model import (
    HTTP_PORT,
    OPERATIONS_PORT,
    RUNS_FOLDER,
    STATE_FOLDER,
    McpServiceArgs,
)

DOCUMENTS = "mcp-documents"
"""ConfigMap with the documents that mcp-config serves."""
USER = 65532
MAX_SURGE = 1
"""Pods beyond the wanted number while a service is rolled out."""
_PRE_STOP_SECONDS = 5
_GRACE_SECONDS = 35
"""preStop 5 s and drain 5 s, in which callers that resolve names every 5 s learn of it, then 20 s of work."""


def service_account(args: McpServiceArgs) -> Manifest:
    """Return the account; without a token: a pod that talks to the Kubernetes API asks for one itself."""
    pulled = {"imagePullSecrets": [{"name": args.pull_secret}]} if args.pull_secret else {}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(args),
        "automountServiceAccountToken": False,
        **pulled,
    }


def role(args: McpServiceArgs) -> list[Manifest]:
    """Return the Role and its binding, or nothing where the service declares no permission."""
    if not args.entry.rules:
        return []
    rules = [
        {"apiGroups": list(rule.groups), "resources": list(rule.resources), "verbs": list(rule.verbs)}
        for rule in args.entry.rules
    ]
    name = args.entry.name
    api = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": metadata(args), "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": metadata(args),
            "roleRef": {"apiGroup": api, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": args.namespace}],
        },
    ]


def deployment(args: McpServiceArgs) -> Manifest:
    """Return the Deployment; the number of replicas is the autoscaler's alone, so it is not in it."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(args),
        "spec": {
            "selector": {"matchLabels": naming.selector(args.entry.name)},
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 300,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": MAX_SURGE, "maxUnavailable": 0},
            },
            "template": {
                "metadata": {
                    "labels": pod_labels(args),
                    "annotations": {"kubectl.kubernetes.io/default-container": "service"},
                },
                "spec": _pod(args),
            },
        },
    }


def _pod(args: McpServiceArgs) -> Manifest:
    return {
        "serviceAccountName": args.entry.name,
        "automountServiceAccountToken": bool(args.entry.rules),
        # Without this every Service of the namespace would add seven variables, some named like ours.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": naming.selector(args.entry.name)},
                "matchLabelKeys": ["pod-template-hash"],
            }
        ],
        "containers": [_container(args)],
        "volumes": [volume for volume, _ in _volumes(args)],
    }


def _container(args: McpServiceArgs) -> Manifest:
    environment = {**args.environment, "ROLE": args.entry.role}
    if not args.entry.keeps_state:
        environment["STATE_DIR"] = ""
    if args.entry.port != HTTP_PORT:
        environment["PORT"] = str(args.entry.port)
    size = args.size
    return {
        "name": "service",
        "image": args.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in sorted(environment.items())],
        "ports": [
            {"name": "http", "containerPort": args.entry.port, "protocol": "TCP"},
            {"name": "operations", "containerPort": OPERATIONS_PORT, "protocol": "TCP"},
        ],
        "resources": {
            "requests": {"cpu": cores(size.cpu_milli), "memory": memory(size.memory_mib)},
            "limits": {"cpu": cores(size.cpu_limit_milli), "memory": memory(size.memory_limit_mib)},
        },
        "startupProbe": _probe("/health", period=2, failures=60),
        "livenessProbe": _probe("/health", period=10, failures=3),
        "readinessProbe": _probe("/ready", period=5, failures=2),
        "lifecycle": {"preStop": {"sleep": {"seconds": _PRE_STOP_SECONDS}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [mount for _, mount in _volumes(args)],
    }


def _probe(path: str, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "operations", "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _volumes(args: McpServiceArgs) -> list[tuple[Manifest, Manifest]]:
    entry = args.entry
    found = [_empty("tmp", "/tmp", "32Mi")]  # noqa: S108 - a path in the pod, not on this machine
    if entry.keeps_state:
        found.append(_empty("state", STATE_FOLDER, "16Mi"))
    if args.runs_claim:
        claimed: Manifest = {"name": "runs", "persistentVolumeClaim": {"claimName": args.runs_claim}}
        found.append((claimed, {"name": "runs", "mountPath": RUNS_FOLDER}))
    if entry.documents:
        source: Manifest = {"name": "documents", "configMap": {"name": DOCUMENTS, "defaultMode": 0o444}}
        found.append((source, {"name": "documents", "mountPath": entry.documents, "readOnly": True}))
    for folder in sorted({secret.folder for secret in entry.secrets}):
        name = f"secret-{folder.rsplit('/', 1)[-1]}"
        items = [{"key": one.key, "path": one.key} for one in entry.secrets if one.folder == folder]
        secret = {"secretName": secret_name(args), "defaultMode": 0o440, "items": items}
        found.append(
            ({"name": name, "secret": secret}, {"name": name, "mountPath": folder, "readOnly": True})
        )
    return found


def _empty(name: str, path: str, limit: str) -> tuple[Manifest, Manifest]:
    return {"name": name, "emptyDir": {"sizeLimit": limit}}, {"name": name, "mountPath": path}
