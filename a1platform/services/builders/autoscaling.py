"""What sets the number of a service's pods: exactly one of ScaledObject and HorizontalPodAutoscaler."""

from a1platform.delivery.manifest import Manifest
from a1platform.services.builders.metadata import metadata
from a1platform.services.model import McpServiceArgs, Trigger

PROMETHEUS = "http://prometheus.prometheus.svc:9090"


def autoscaler(args: McpServiceArgs) -> Manifest:
    """Return the one autoscaler: KEDA's where that is there and the service has a business metric."""
    if args.capabilities.keda and args.entry.trigger:
        return _scaled_object(args, args.entry.trigger)
    return _horizontal_pod_autoscaler(args)


def _target(args: McpServiceArgs) -> Manifest:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": args.entry.name}


def _behavior() -> Manifest:
    # Out at once and by at most a doubling, in slowly: a missing pod costs latency, a spare one little.
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Percent", "value": 100, "periodSeconds": 30},
                {"type": "Pods", "value": 2, "periodSeconds": 30},
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": 300,
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        },
    }


def _horizontal_pod_autoscaler(args: McpServiceArgs) -> Manifest:
    targets = {"cpu": args.autoscaling.cpu_percent, "memory": args.autoscaling.memory_percent}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(args),
        "spec": {
            "scaleTargetRef": _target(args),
            "minReplicas": args.autoscaling.min_replicas,
            "maxReplicas": args.autoscaling.max_replicas,
            "behavior": _behavior(),
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": name,
                        "target": {"type": "Utilization", "averageUtilization": percent},
                    },
                }
                for name, percent in targets.items()
            ],
        },
    }


def _scaled_object(args: McpServiceArgs, trigger: Trigger) -> Manifest:
    # Without Prometheus nobody could answer for the metric.
    business = [_business_trigger(trigger)] if args.capabilities.monitoring else []
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        # A plain autoscaler of the same name, from before KEDA was enabled, is taken over instead of fought.
        "metadata": metadata(args) | {"annotations": {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}},
        "spec": {
            "scaleTargetRef": _target(args),
            "minReplicaCount": args.autoscaling.min_replicas,
            "maxReplicaCount": args.autoscaling.max_replicas,
            "pollingInterval": 15,
            **({"fallback": _fallback(args)} if business else {}),
            "advanced": {"horizontalPodAutoscalerConfig": {"name": args.entry.name, "behavior": _behavior()}},
            "triggers": [
                _resource_trigger("cpu", args.autoscaling.cpu_percent),
                _resource_trigger("memory", args.autoscaling.memory_percent),
                *business,
            ],
        },
    }


def _fallback(args: McpServiceArgs) -> Manifest:
    # Prometheus away: CPU and memory still count, and the business metric takes no pod away.
    return {
        "failureThreshold": 3,
        "replicas": args.autoscaling.min_replicas,
        "behavior": "currentReplicasIfHigher",
    }


def _business_trigger(trigger: Trigger) -> Manifest:
    return {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": PROMETHEUS,
            "query": trigger.query,
            "threshold": str(trigger.per_pod),
        },
    }


def _resource_trigger(name: str, percent: int) -> Manifest:
    return {"type": name, "metricType": "Utilization", "metadata": {"value": str(percent)}}
