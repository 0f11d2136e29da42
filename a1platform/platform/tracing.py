"""Jaeger: what `mcp-tracehub` forwards, kept for days on a volume, and searched."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.helm.v3 import Release

from a1platform.delivery.manifest import Manifest
from a1platform.delivery.pulumi_sink import declare
from a1platform.naming import labels, token
from a1platform.platform.chart import program_version
from a1platform.platform.namespaces import PROMETHEUS, TRACING
from a1platform.platform.part import PartArgs
from a1platform.platform.release import ReleaseArgs, release
from a1platform.platform.sizes import Sizing, mebibytes, resources
from a1platform.platform.values import merged
from a1platform.settings.platform import TracingSettings
from a1platform.settings.services import Profile

NAME = "jaeger"
OTLP_PORT, QUERY_PORT = 4318, 16686
_METRICS_PORT, _HEALTH_PORT = 8888, 13133

_EVERY = "0.0.0.0"  # noqa: S104 - a pod is reached from outside itself; the network policy says by whom
_USER = 10001
_FOLDER = "/badger"
_STORE = "spans"
_STORAGE_GIB = {Profile.SMALL: 2, Profile.STANDARD: 10}
_HOURS = {"h": 1, "d": 24, "w": 7 * 24, "y": 365 * 24}
_HEAP_SHARE = 0.8
_DISK_PER_BYTE = 5
"""What a byte of spans takes on the volume: Jaeger indexes each attribute, and Badger is late to free.

Seen with Jaeger 2.13 and spans of 430 bytes with ten attributes: 3.3, and 150 MB whatever is in it.
"""
SPAN_BYTES = 1024
"""What tracehub forwards of a span at most, whatever its attributes hold: `bound.py` of the services."""
_COUNTS_BYTES = (2, 14)
"""The first Jaeger whose `tail_sampling` limits bytes; those before know spans a second only."""
_LEAST_SPANS = 50
"""In a second: fewer would leave every trace of a workflow out as a whole, a call of one tool being five."""
_WHOLE_SECONDS = 10
"""How long the spans of a trace are waited for; then it is taken, or left, as a whole."""
_WAITING_TRACES = 20000
_POD = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": NAME}


@dataclass(frozen=True)
class TracingArgs:
    """What tracing is made of.

    Attributes:
        part: What every part is made of.
        senders: Namespaces whose pods may send spans.
    """

    part: PartArgs[TracingSettings]
    senders: tuple[str, ...] = ()


class Tracing(pulumi.ComponentResource):
    """Jaeger, ready to receive.

    Attributes:
        origin: What is installed, in words.
        otlp_url: Where spans are sent inside the cluster, OTLP over HTTP.
        query_url: Where they are searched inside the cluster.
    """

    origin: pulumi.Output[str]
    otlp_url: pulumi.Output[str]
    query_url: pulumi.Output[str]

    release: Release
    """Done when Jaeger answers."""

    def __init__(self, name: str, args: TracingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the volume, who may reach it, and the release; with monitoring, the way to its metrics."""
        super().__init__(token("platform", "Tracing"), name, None, opts)
        part = args.part
        own = pulumi.ResourceOptions(parent=self, depends_on=part.before)
        before = [
            declare(one, own) for one in (volume(part.settings, part.sizing), network_policy(args.senders))
        ]
        self.release = release(
            f"{name}-release",
            ReleaseArgs(NAME, TRACING, part.chart, values(part), part.settings.timeout),
            self,
            [*part.before, *before],
        )
        if part.monitoring:
            declare(service_monitor(), own)
        self.origin = pulumi.Output.from_input(part.chart.origin)
        self.otlp_url = pulumi.Output.from_input(f"http://{NAME}.{TRACING}.svc:{OTLP_PORT}")
        self.query_url = pulumi.Output.from_input(f"http://{NAME}.{TRACING}.svc:{QUERY_PORT}")
        self.register_outputs({"origin": self.origin, "otlp_url": self.otlp_url, "query_url": self.query_url})


def values(args: PartArgs[TracingSettings]) -> dict[str, Any]:
    """Return the chart's values: one pod with a store of its own."""
    version = program_version(args.chart)
    by_spans = version is not None and version < _COUNTS_BYTES
    heap = int(args.sizing.size("jaeger").memory_mib * _HEAP_SHARE)
    ours: dict[str, Any] = {
        "fullnameOverride": NAME,
        "userconfig": configuration(args.settings, args.sizing, by_spans=by_spans),
        "jaeger": {
            "resources": resources("jaeger", args.sizing),
            # Else the store's caches grow until the kernel ends the pod.
            "extraEnv": [{"name": "GOMEMLIMIT", "value": f"{heap}MiB"}],
            "serviceAccount": {"automountServiceAccountToken": False},
            "podSecurityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "fsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "extraVolumes": [{"name": "store", "persistentVolumeClaim": {"claimName": NAME}}],
            "extraVolumeMounts": [{"name": "store", "mountPath": _FOLDER}],
        },
    }
    whole = merged(ours, args.settings.values)
    # The chart's pods do not notice a changed configuration.
    digest = hashlib.sha256(json.dumps(whole["userconfig"], sort_keys=True).encode()).hexdigest()
    return merged(whole, {"jaeger": {"podLabels": {"a1platform/configuration": digest[:16]}}})


def configuration(settings: TracingSettings, sizing: Sizing, *, by_spans: bool = False) -> Manifest:
    """Return Jaeger's own configuration: spans in by OTLP, as many as fit, kept in a store on the volume.

    Args:
        settings: Tracing's slice of the settings.
        sizing: How large its containers are.
        by_spans: Whether it knows no limit by bytes.
    """
    hours = int(settings.retention[:-1]) * _HOURS[settings.retention[-1]]
    room = mebibytes(_size(settings, sizing)) * 1024 * 1024 // _DISK_PER_BYTE
    policy, kept = (_spans_limit if by_spans else _bytes_limit)(room, hours)
    store = {
        "ephemeral": False,
        "directories": {"keys": f"{_FOLDER}/keys", "values": f"{_FOLDER}/values"},
        "ttl": {"spans": kept},
    }
    metrics = {"pull": {"exporter": {"prometheus": {"host": _EVERY, "port": _METRICS_PORT}}}}
    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["tail_sampling", "batch"],
                    "exporters": ["jaeger_storage_exporter"],
                }
            },
            "telemetry": {
                "resource": {"service.name": NAME},
                "metrics": {"level": "detailed", "readers": [metrics]},
            },
        },
        "extensions": {
            "healthcheckv2": {"use_v2": True, "http": {"endpoint": f"{_EVERY}:{_HEALTH_PORT}"}},
            "jaeger_storage": {"backends": {_STORE: {"badger": store}}},
            "jaeger_query": {"storage": {"traces": _STORE}},
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"{_EVERY}:{OTLP_PORT}"}}}},
        "processors": {
            "tail_sampling": {
                "decision_wait": f"{_WHOLE_SECONDS}s",
                "num_traces": _WAITING_TRACES,
                "policies": [{"name": "volume", **policy}],
            },
            "batch": {},
        },
        "exporters": {"jaeger_storage_exporter": {"trace_storage": _STORE}},
    }


def _bytes_limit(room: int, hours: int) -> tuple[Manifest, str]:
    """Return what lets whole traces through as long as what is kept fits on the volume, and how long that is.

    Badger knows no limit, and K3s's volumes have none either: what is not written cannot fill the disk. Half
    of what fits may come at once, the other half evenly over the retention, so that within any such time no
    more than all of it does.
    """
    half = room // 2
    rate = max(1, half // (hours * 3600))
    limit = {"bytes_per_second": rate, "burst_capacity": half}
    return {"type": "bytes_limiting", "bytes_limiting": limit}, f"{hours}h"


def _spans_limit(room: int, hours: int) -> tuple[Manifest, str]:
    """Return the same for a Jaeger that counts spans within each second, and forgets them after it.

    What a quiet hour leaves over helps no busy second, so few a second would mean no trace at all: where the
    volume holds fewer over the retention, it is the retention that gets shorter.
    """
    spans, seconds = room // SPAN_BYTES, hours * 3600
    rate = max(_LEAST_SPANS, spans // seconds)
    policy = {"type": "rate_limiting", "rate_limiting": {"spans_per_second": rate}}
    return policy, f"{min(seconds, spans // rate)}s"


def _size(settings: TracingSettings, sizing: Sizing) -> str:
    return settings.storage or f"{_STORAGE_GIB[sizing.profile]}Gi"


def volume(settings: TracingSettings, sizing: Sizing) -> Manifest:
    """Return the claim of the volume, which the chart does not make itself.

    Args:
        settings: Tracing's slice of the settings.
        sizing: How large its containers are.
    """
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        # It is bound when a pod uses it, and the pod comes after it.
        "metadata": {**_metadata(), "annotations": {"pulumi.com/skipAwait": "true"}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": _size(settings, sizing)}},
        },
    }


def network_policy(senders: Sequence[str]) -> Manifest:
    """Return who may reach Jaeger, which asks nobody for a password: senders, and Prometheus.

    Args:
        senders: Namespaces whose pods may send spans.
    """
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(),
        "spec": {
            "podSelector": {"matchLabels": _POD},
            "policyTypes": ["Ingress"],
            "ingress": [_open(senders, OTLP_PORT), _open([PROMETHEUS], _METRICS_PORT)],
        },
    }


def service_monitor() -> Manifest:
    """Return what leads Prometheus to the metrics; the chart has none."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": _metadata(),
        "spec": {"selector": {"matchLabels": _POD}, "endpoints": [{"port": "internal-metrics"}]},
    }


def _metadata() -> Manifest:
    return {"name": NAME, "namespace": TRACING, "labels": labels(NAME, "tracing")}


def _open(namespaces: Sequence[str], port: int) -> Manifest:
    where = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(namespaces)}
    return {
        "from": [{"namespaceSelector": {"matchExpressions": [where]}}],
        "ports": [{"protocol": "TCP", "port": port}],
    }
