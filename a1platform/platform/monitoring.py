"""Prometheus, Alertmanager, the exporters and Grafana, under the names that everything else knows."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.helm.v3 import Release

from a1platform.delivery.manifest import Manifest
from a1platform.delivery.pulumi_sink import declare, declare_secret
from a1platform.naming import labels, token
from a1platform.platform.chart import Chart
from a1platform.platform.monitoring_values import GRAFANA_SECRET, NAME, WEBHOOKS_SECRET, values
from a1platform.platform.namespaces import PROMETHEUS
from a1platform.platform.part import PartArgs
from a1platform.platform.random_text import random_text
from a1platform.platform.release import ReleaseArgs, release
from a1platform.settings.platform import MonitoringSettings

PORT = 9090
_GRAFANA = "a1-grafana"
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class MonitoringArgs:
    """What monitoring is made of.

    Attributes:
        part: What every part is made of.
        crds: The chart of the stack's kinds, which need none of its images.
        grafana: Whether Grafana can be had.
    """

    part: PartArgs[MonitoringSettings]
    crds: Chart
    grafana: bool = True


class Monitoring(pulumi.ComponentResource):
    """Monitoring that sees every ServiceMonitor, PodMonitor and PrometheusRule of the cluster.

    Attributes:
        origin: What is installed, in words.
        prometheus_url: Prometheus's address inside the cluster.
        grafana_password: Of Grafana's user `admin`; empty without Grafana. Secret.
    """

    origin: pulumi.Output[str]
    prometheus_url: pulumi.Output[str]
    grafana_password: pulumi.Output[str]

    crds: Release
    """Done when the kinds are there: charts of other parts fail, or leave their monitors out, before."""
    release: Release
    """Done when operator and exporters are ready."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the kinds, then the stack, then the Service that everybody knows Prometheus by."""
        super().__init__(token("platform", "Monitoring"), name, None, opts)
        part = args.part
        own = pulumi.ResourceOptions(parent=self, depends_on=list(part.after))
        self.crds = release(
            f"{name}-crds", ReleaseArgs("monitoring-crds", PROMETHEUS, args.crds, {}), self, part.after
        )
        before: list[pulumi.Resource] = []
        if part.settings.webhooks:
            before.append(_webhooks(name, part.settings, own))
        self.grafana_password = pulumi.Output.secret("")
        if args.grafana:
            self.grafana_password = random_text(
                f"{name}-grafana-password", pulumi.ResourceOptions(parent=self)
            )
            before.append(_grafana(name, self.grafana_password, own))
            before += [declare(manifest, own) for manifest in grafana_rights()]
        wanted = values(part.settings, part.sizing, grafana=args.grafana)
        self.release = release(
            f"{name}-release",
            ReleaseArgs(NAME, PROMETHEUS, part.chart, wanted, part.settings.timeout),
            self,
            [self.crds, *before, *part.before],
        )
        declare(service(part.settings), pulumi.ResourceOptions(parent=self, depends_on=[self.release]))
        self.origin = pulumi.Output.from_input(part.chart.origin)
        self.prometheus_url = pulumi.Output.from_input(f"http://{PROMETHEUS}.{PROMETHEUS}.svc:{PORT}")
        self.register_outputs(
            {
                "origin": self.origin,
                "prometheus_url": self.prometheus_url,
                "grafana_password": self.grafana_password,
            }
        )


def service(settings: MonitoringSettings) -> Manifest:
    """Return the Service `prometheus`: the chart's own is named as the release, whatever its values say.

    Args:
        settings: Monitoring's slice of the settings.
    """
    # Each of several has scraped at moments of its own: a client that goes from one to the other sees
    # counters run backwards.
    sticky = {"sessionAffinity": "ClientIP"} if settings.prometheus_replicas > 1 else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "prometheus",
            "namespace": PROMETHEUS,
            "labels": labels("prometheus", "monitoring"),
        },
        "spec": {
            "type": "ClusterIP",
            **sticky,
            "selector": {"app.kubernetes.io/name": "prometheus", "operator.prometheus.io/name": NAME},
            "ports": [{"name": "http-web", "protocol": "TCP", "port": PORT, "targetPort": PORT}],
        },
    }


def grafana_rights() -> list[Manifest]:
    """Return what Grafana's sidecars may read: dashboards and data sources, ConfigMaps of any namespace.

    The chart's own role gives them every Secret of the cluster too, those of the secret store among them.
    """
    metadata = {"name": _GRAFANA, "labels": labels("grafana", "monitoring")}
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]
    return [
        {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": _GRAFANA},
            # As the chart names it by `fullnameOverride`.
            "subjects": [{"kind": "ServiceAccount", "name": "grafana", "namespace": PROMETHEUS}],
        },
    ]


def _webhooks(name: str, settings: MonitoringSettings, opts: pulumi.ResourceOptions) -> pulumi.CustomResource:
    """Declare the URLs that Alertmanager tells, as files: who knows such a URL can write to its receiver."""
    urls: dict[str, pulumi.Input[str]] = {
        level: pulumi.Output.secret(url.get_secret_value()) for level, url in settings.webhooks.items()
    }
    return _secret(f"{name}-webhooks", WEBHOOKS_SECRET, urls, opts)


def _grafana(name: str, password: pulumi.Output[str], opts: pulumi.ResourceOptions) -> pulumi.CustomResource:
    return _secret(f"{name}-grafana", GRAFANA_SECRET, {"user": "admin", "password": password}, opts)


def _secret(
    logical_name: str, name: str, data: Mapping[str, pulumi.Input[str]], opts: pulumi.ResourceOptions
) -> pulumi.CustomResource:
    metadata = {"name": name, "namespace": PROMETHEUS, "labels": labels(name, "monitoring")}
    return declare_secret(logical_name, metadata, data, opts)
