"""The values of kube-prometheus-stack, a pure function of the settings."""

from typing import Any

from a1platform.delivery.manifest import Manifest
from a1platform.observability.escalation import alertmanager_config
from a1platform.platform.namespaces import NODE_EXPORTER
from a1platform.platform.sizes import Sizing, mebibytes, resources, sized
from a1platform.platform.values import budget, merged
from a1platform.settings.platform import MonitoringSettings
from a1platform.settings.services import Profile

NAME = "kps"
"""Of the release, of the Prometheus object in it, and the beginning of every object's name."""
GRAFANA_SECRET = "grafana-admin"  # noqa: S105 - an object's name
WEBHOOKS_SECRET = "alertmanager-webhooks"  # noqa: S105 - an object's name

_WEBHOOKS_FOLDER = f"/etc/alertmanager/secrets/{WEBHOOKS_SECRET}"
_STORAGE_GIB = {Profile.SMALL: 2, Profile.STANDARD: 20}
_USED_SHARE = 0.8
# K3s runs these inside its own process, without endpoints of their own.
_NOT_ON_K3S = ("kubeEtcd", "kubeControllerManager", "kubeScheduler", "kubeProxy")
_RULES_OFF = ("etcd", "kubeControllerManager", "kubeSchedulerAlerting", "kubeSchedulerRecording", "kubeProxy")
# K3s is one process: its kubelet would offer the figures of the API server and of every controller once more.
_OF_THE_KUBELET = "(kubelet|storage_operation|volume|kubernetes|process|go|rest_client_requests)_.*"
_UNUSED_BUCKETS = (
    "(etcd|workqueue|rest_client|storage|scheduler|apiserver_(flowcontrol|admission|watch|response|storage|cel))"
    "_.*_bucket"
)
# As in the chart, whose list is replaced by ours: the objectives' bounds stay.
_FINE_BUCKETS = {
    "action": "drop",
    "sourceLabels": ["__name__", "le"],
    "regex": r"(apiserver_request_sl[io]|apiserver_request)_duration_seconds_bucket;"
    r"(0\.15|0\.[23]|0\.35|0\.4|0\.45|0\.[6-9]|1\.25|1\.5|1\.75|[2346789]|[34]\.5|15|20|4[05]|50)(\.0)?",
}
# What kube-state-metrics counts: its defaults but Secrets. To count them it reads all of each, those of the
# secret store too, and no rule and no dashboard asks for `kube_secret_*`.
_COUNTED = (
    "certificatesigningrequests",
    "configmaps",
    "cronjobs",
    "daemonsets",
    "deployments",
    "endpoints",
    "horizontalpodautoscalers",
    "ingresses",
    "jobs",
    "leases",
    "limitranges",
    "mutatingwebhookconfigurations",
    "namespaces",
    "networkpolicies",
    "nodes",
    "persistentvolumeclaims",
    "persistentvolumes",
    "poddisruptionbudgets",
    "pods",
    "replicasets",
    "replicationcontrollers",
    "resourcequotas",
    "services",
    "statefulsets",
    "storageclasses",
    "validatingwebhookconfigurations",
    "volumeattachments",
)
# 1000 of 64 KiB are 64 MiB, twice that while they are written anew. Alertmanager's own flags: the operator's
# `limits.maxPerSilenceBytes` gives one that Alertmanager 0.28 does not know, and does not start with.
_SILENCES = {"silences.max-silences": "1000", "silences.max-silence-size-bytes": "65536"}
# Of what is made in Grafana itself; dashboards from files, about fifty, count too. The rest of what a quota
# limits where it is on takes little room and gets enough of it; a dashboard has 20 versions at most anyway.
_QUOTA = {
    "enabled": True,
    "org_dashboard": 500,
    "org_alert_rule": 500,
    "org_data_source": 100,
    "org_api_key": 100,
    "org_user": -1,
}
_ANNOTATIONS = {"max_annotations_to_keep": 10000}
_SELECTORS = ("rule", "serviceMonitor", "podMonitor", "probe", "scrapeConfig")


def values(settings: MonitoringSettings, sizing: Sizing, *, grafana: bool) -> dict[str, Any]:
    """Return the chart's values.

    Args:
        settings: Monitoring's slice of the settings.
        sizing: How large its containers are.
        grafana: Whether Grafana is installed.
    """
    ours: dict[str, Any] = {
        "fullnameOverride": NAME,
        # The Prometheus object is then named as the release, not `kps-kube-prometheus-prometheus`.
        "cleanPrometheusOperatorObjectNames": True,
        # A release of their own holds the kinds, for other parts look for them before this one is installed.
        "crds": {"enabled": False},
        "defaultRules": {"rules": {**dict.fromkeys(_RULES_OFF, False), "windows": False}},
        **{part: {"enabled": False} for part in _NOT_ON_K3S},
        "kubelet": {"serviceMonitor": {"metricRelabelings": [_by_name("keep", _OF_THE_KUBELET)]}},
        "kubeApiServer": {
            "serviceMonitor": {"metricRelabelings": [_by_name("drop", _UNUSED_BUCKETS), _FINE_BUCKETS]}
        },
        "prometheusOperator": _operator(sizing),
        "prometheus": {
            "prometheusSpec": _prometheus(settings, sizing),
            "podDisruptionBudget": budget(settings.prometheus_replicas),
        },
        "alertmanager": {
            "podDisruptionBudget": budget(settings.alertmanager_replicas),
            "config": alertmanager_config(
                {level: f"{_WEBHOOKS_FOLDER}/{level}" for level in settings.webhooks}
            ),
            "alertmanagerSpec": {
                "replicas": settings.alertmanager_replicas,
                **sized("alertmanager", sizing),
                "storage": _volume(settings.alertmanager_storage),
                "additionalArgs": [{"name": name, "value": value} for name, value in _SILENCES.items()],
                **({"secrets": [WEBHOOKS_SECRET]} if settings.webhooks else {}),
            },
        },
        "kube-state-metrics": {**sized("kube-state-metrics", sizing), "collectors": [*_COUNTED]},
        "prometheus-node-exporter": {
            "namespaceOverride": NODE_EXPORTER,
            **sized("node-exporter", sizing),
            # All that is forbidden elsewhere and not needed here either.
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containerSecurityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            },
        },
        "grafana": _grafana(settings, sizing) if grafana else {"enabled": False},
    }
    return merged(ours, settings.values)


def _operator(sizing: Sizing) -> Manifest:
    return {
        **sized("prometheus-operator", sizing),
        "prometheusConfigReloader": {"resources": resources("prometheus-reloader", sizing)},
        # Without its webhook the operator needs no certificate, and the release no hook and no hook's image.
        "admissionWebhooks": {"enabled": False},
        "tls": {"enabled": False},
    }


def _prometheus(settings: MonitoringSettings, sizing: Sizing) -> Manifest:
    size = settings.storage or f"{_STORAGE_GIB[sizing.profile]}Gi"
    return {
        "replicas": settings.prometheus_replicas,
        **sized("prometheus", sizing),
        "retention": settings.retention,
        # The oldest data goes before the volume is full, whatever the retention.
        "retentionSize": f"{int(mebibytes(size) * _USED_SHARE)}MB",
        "storageSpec": _volume(size),
        # Else only the monitors and rules of this very release are looked at.
        **{f"{selector}SelectorNilUsesHelmValues": False for selector in _SELECTORS},
    }


def _grafana(settings: MonitoringSettings, sizing: Sizing) -> Manifest:
    sidecar = resources("grafana-sidecar", sizing)
    return {
        "enabled": True,
        "fullnameOverride": "grafana",
        **sized("grafana", sizing),
        "admin": {"existingSecret": GRAFANA_SECRET, "userKey": "user", "passwordKey": "password"},
        "persistence": {"enabled": True, "size": settings.grafana_storage},
        "grafana.ini": {
            "quota": _QUOTA,
            "annotations.dashboard": _ANNOTATIONS,
            "annotations.api": _ANNOTATIONS,
        },
        # Two pods must never write to the one database at once.
        "deploymentStrategy": {"type": "Recreate"},
        # It would run as root to change the owner of a volume that needs no such change.
        "initChownData": {"enabled": False},
        "testFramework": {"enabled": False},
        # The chart's role would let the sidecars read every Secret: see `monitoring.grafana_rights`.
        "rbac": {"create": False},
        "sidecar": {
            "resources": sidecar,
            "dashboards": {"resource": "configmap"},
            "datasources": {"url": "http://prometheus:9090/", "resource": "configmap"},
        },
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    }


def _by_name(action: str, regex: str) -> Manifest:
    return {"action": action, "sourceLabels": ["__name__"], "regex": regex}


def _volume(size: str) -> Manifest:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"volumeClaimTemplate": {"spec": claim}}
