"""Trivy Operator: vulnerabilities in the images of all workloads, as reports, metrics and an alert."""

from typing import Any

import pulumi
from pulumi_kubernetes.helm.v3 import Release

from a1platform.delivery.manifest import Manifest
from a1platform.delivery.pulumi_sink import declare
from a1platform.naming import labels, token
from a1platform.platform.namespaces import IMAGE_SCANNING
from a1platform.platform.part import PartArgs
from a1platform.platform.release import ReleaseArgs, release
from a1platform.platform.sizes import resources
from a1platform.platform.values import merged
from a1platform.settings.platform import ImageScanningSettings

_NAME = "trivy-operator"
_USER = 10000
_IMAGE = "namespace, image_registry, image_repository, image_tag"
_CRITICAL = 'trivy_image_vulnerabilities{severity="Critical"}'
_OTHER_SCANS = (
    "sbomGenerationEnabled",
    "configAuditScannerEnabled",
    "rbacAssessmentScannerEnabled",
    "infraAssessmentScannerEnabled",
    "clusterComplianceEnabled",
    "exposedSecretScannerEnabled",
)


class ImageScanning(pulumi.ComponentResource):
    """Trivy Operator, ready to scan.

    Attributes:
        origin: What is installed, in words.
    """

    origin: pulumi.Output[str]

    release: Release
    """Done when the operator is ready; reports follow within minutes."""

    def __init__(
        self, name: str, args: PartArgs[ImageScanningSettings], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the release and, with monitoring, the alert."""
        super().__init__(token("platform", "ImageScanning"), name, None, opts)
        self.release = release(
            f"{name}-release",
            ReleaseArgs(_NAME, IMAGE_SCANNING, args.chart, values(args), args.settings.timeout),
            self,
            args.before,
        )
        if args.monitoring:
            declare(alert(), pulumi.ResourceOptions(parent=self, depends_on=args.before))
        self.origin = pulumi.Output.from_input(args.chart.origin)
        self.register_outputs({"origin": self.origin})


def values(args: PartArgs[ImageScanningSettings]) -> dict[str, Any]:
    """Return the chart's values: vulnerabilities only, by pods that are nobody and may read no Secret."""
    restricted = {
        "runAsNonRoot": True,
        "runAsUser": _USER,
        "runAsGroup": _USER,
        "fsGroup": _USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    ours = {
        "fullnameOverride": _NAME,
        "operator": {
            # Configurations are judged by Gatekeeper, and nodes by kube-bench.
            **dict.fromkeys(_OTHER_SCANS, False),
            # Else the operator reads every Secret of the cluster, that of the secret store too.
            "accessGlobalSecretsAndServiceAccount": False,
            "scanJobsConcurrentLimit": args.settings.concurrent_scans,
        },
        "compliance": {"specs": []},
        "serviceMonitor": {"enabled": args.monitoring},
        "resources": resources("image-scanning", args.sizing),
        "podSecurityContext": restricted,
        "trivyOperator": {"scanJobPodTemplatePodSecurityContext": restricted},
        "trivy": {
            "ignoreUnfixed": args.settings.only_fixed,
            "resources": resources("image-scanning-once", args.sizing),
        },
    }
    return merged(ours, args.settings.values)


def alert() -> Manifest:
    """Return the rule that tells of an image in use with a critical vulnerability."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "image-scanning",
            "namespace": IMAGE_SCANNING,
            "labels": labels("image-scanning", "image-scanning"),
        },
        "spec": {
            "groups": [
                {
                    "name": "image-scanning",
                    "rules": [
                        {
                            "alert": "ImageHasCriticalVulnerabilities",
                            "expr": f"max by ({_IMAGE}) ({_CRITICAL}) > 0",
                            # A rollout that has just replaced the image takes its report away within minutes.
                            "for": "15m",
                            "labels": {
                                "severity": "warning",
                                "escalation": "first",
                                "service": "image-scanning",
                            },
                            "annotations": {
                                "summary": "{{ $labels.image_repository }}:{{ $labels.image_tag }} in "
                                "{{ $labels.namespace }} has {{ $value }} critical vulnerabilities"
                            },
                        }
                    ],
                }
            ]
        },
    }
