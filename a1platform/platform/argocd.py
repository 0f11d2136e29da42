"""Argo CD: what is in Git is on the cluster. What it syncs is declared by `services` (`delivery: argocd`)."""

from typing import Any

import pulumi
from pulumi_kubernetes.helm.v3 import Release

from a1platform.delivery.argocd import FIELD_MANAGER, closed_default_project
from a1platform.delivery.pulumi_sink import applied_as, declare
from a1platform.naming import token
from a1platform.observability.delivery_alerts import delivery_rule
from a1platform.platform.argocd_login import oidc_secret, oidc_values, with_password
from a1platform.platform.namespaces import ARGO_CD
from a1platform.platform.part import PartArgs
from a1platform.platform.release import ReleaseArgs, release
from a1platform.platform.sizes import PRIORITY, resources
from a1platform.platform.values import budget, merged
from a1platform.settings.argocd import ArgoCdSettings

_APPLICATION_HEALTH = """\
local health = {status = "Progressing", message = ""}
if obj.status ~= nil and obj.status.health ~= nil then
  health.status = obj.status.health.status
  health.message = obj.status.health.message or ""
end
if health.status == "Healthy" and (obj.status.sync == nil or obj.status.sync.status ~= "Synced") then
  health.status = "Progressing"
  health.message = "not as its repository says"
end
return health
"""


class ArgoCd(pulumi.ComponentResource):
    """Argo CD, ready to sync.

    Attributes:
        origin: What is installed, in words.
    """

    origin: pulumi.Output[str]

    release: Release
    """Done when controller, repository server, API server and Redis are ready."""

    def __init__(
        self, name: str, args: PartArgs[ArgoCdSettings], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the release, who may log in, that `default` allows nothing, and the delivery's alert."""
        super().__init__(token("platform", "ArgoCd"), name, None, opts)
        after = args.before
        if args.settings.oidc is not None:
            own = pulumi.ResourceOptions(parent=self, depends_on=after)
            after = [*after, oidc_secret(f"{name}-oidc", args.settings.oidc, own)]
        wanted = with_password(name, args.settings, values(args), pulumi.ResourceOptions(parent=self))
        self.release = release(
            f"{name}-release",
            ReleaseArgs("argocd", ARGO_CD, args.chart, wanted, args.settings.timeout),
            self,
            after,
        )
        # Its kind comes with the release, and the server has made it by then: its fields are taken over.
        closed = applied_as(FIELD_MANAGER, closed_default_project())
        declare(closed, pulumi.ResourceOptions(parent=self, depends_on=[self.release]))
        if args.monitoring:
            declare(delivery_rule(), pulumi.ResourceOptions(parent=self, depends_on=args.before))
        self.origin = pulumi.Output.from_input(args.chart.origin)
        self.register_outputs({"origin": self.origin})


_PATIENT = {
    "livenessProbe": {"initialDelaySeconds": 30, "timeoutSeconds": 5},
    "readinessProbe": {"timeoutSeconds": 5},
}
"""As in upstream's own manifests. With the chart's single second a repo-server that renders for seven
Applications on two cores was ended again and again."""


def values(args: PartArgs[ArgoCdSettings]) -> dict[str, Any]:
    """Return the chart's values: four roles, HTTP inside the cluster, no ingress."""
    metrics = {"enabled": True, "serviceMonitor": {"enabled": args.monitoring}}
    once = resources("argocd-once", args.sizing)
    ours = {
        "fullnameOverride": "argocd",
        "global": {"priorityClassName": PRIORITY},
        "configs": {
            "params": {
                "server.insecure": True,
                # An Application names the object that is not well.
                "controller.resource.health.persist": True,
            },
            "cm": {
                # Without it the root Application is healthy whatever becomes of those below it. One whose
                # objects are old is no better: what runs may be healthy and not what was asked for.
                "resource.customizations.health.argoproj.io_Application": _APPLICATION_HEALTH,
            },
        },
        "dex": {"enabled": False},
        "notifications": {"enabled": False},
        "applicationSet": {"replicas": 0, "resources": once},
        "controller": {"resources": resources("argocd-controller", args.sizing), "metrics": metrics},
        "repoServer": {
            "replicas": args.settings.repository_replicas,
            "pdb": budget(args.settings.repository_replicas),
            "resources": resources("argocd-repository", args.sizing),
            "copyutil": {"resources": once},
            "metrics": metrics,
            **_PATIENT,
        },
        "server": {
            "replicas": args.settings.server_replicas,
            "pdb": budget(args.settings.server_replicas),
            "resources": resources("argocd-server", args.sizing),
            "metrics": metrics,
            **_PATIENT,
        },
        "redis": {
            "resources": resources("argocd-redis", args.sizing),
            "containerSecurityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        },
        "redisSecretInit": {"resources": once},
    }
    return merged(merged(ours, oidc_values(args.settings.oidc)), args.settings.values)
