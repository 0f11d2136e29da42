"""The admission policies on the cluster, in the order that Gatekeeper needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.delivery.pulumi_sink import declare
from a1platform.observability.policy_alerts import policy_rule
from a1platform.platform.mutations import mutations
from a1platform.platform.policy_set import POLICIES, load
from a1platform.settings.policies import EnforcementAction, PolicySettings

_TEMPLATE_READY = "jsonpath={.status.created}=true"
_CONSTRAINT_READY = 'jsonpath={.status.byPod[?(@.operations[?(@ == "webhook")])].enforced}=true'
_READY_SECONDS = "180"


@dataclass(frozen=True)
class PoliciesArgs:
    """What the component `Policies` needs.

    Attributes:
        settings: Its slice of the settings.
        gatekeeper_namespace: The namespace in which Gatekeeper runs.
        accounts_with_token: Accounts whose pods call the Kubernetes API, as namespace/name.
        folder: The policies.
        crds: The monitoring stack's kinds, where they are installed.
        after: What they wait for: a Gatekeeper that answers.
    """

    settings: PolicySettings
    gatekeeper_namespace: str = "gatekeeper-system"
    accounts_with_token: tuple[str, ...] = ()
    folder: Path = POLICIES
    crds: pulumi.Resource | None = None
    after: Sequence[pulumi.Resource] = ()


class Policies(pulumi.ComponentResource):
    """Templates and constraints on a cluster whose Gatekeeper is ready.

    Gatekeeper makes a constraint's kind when it has compiled the template, so each constraint follows the
    status of its template; the component is done when the webhook enforces every constraint.

    Attributes:
        enforcement: Enforcement action by policy name.
    """

    enforcement: pulumi.Output[dict[str, EnforcementAction]]

    def __init__(self, name: str, args: PoliciesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare Gatekeeper's configuration, templates and constraints; with monitoring, the alerts."""
        super().__init__(naming.token("platform", "Policies"), name, None, opts)
        policies = load(args.folder).configured(args.settings, args.accounts_with_token)
        manifest = policies.gatekeeper_config(args.gatekeeper_namespace)
        config = self._declare(f"{name}-config", manifest, None, args.after)
        for policy in policies.policies:
            role = f"{name}-{policy.name}"
            template = self._declare(f"{role}-template", policy.template, _TEMPLATE_READY, (config,))
            self._declare(role, policy.constraint, _CONSTRAINT_READY, (template,))
        if args.settings.mutations:
            spaces, exempt = args.settings.namespaces, policies.system_namespaces
            for one in mutations(args.folder, spaces, exempt):
                self._declare(f"{name}-mutation-{one['metadata']['name']}", one, None, (config,))
        if args.crds is not None:
            rule = policy_rule("a1-policies", args.gatekeeper_namespace)
            declare(rule, pulumi.ResourceOptions(parent=self, depends_on=[args.crds, *args.after]))
        self.enforcement = pulumi.Output.from_input({each.name: each.action for each in policies.policies})
        self.register_outputs({"enforcement": self.enforcement})

    def _declare(
        self, name: str, manifest: Manifest, ready: str | None, after: Sequence[pulumi.Resource]
    ) -> pulumi.Resource:
        metadata = {**manifest["metadata"], "labels": naming.labels(manifest["metadata"]["name"], "policy")}
        # Whoever broke the glass by kubectl owns the field since; unforced, the way back is a conflict.
        told = {"pulumi.com/patchForce": "true"}
        if ready:
            told |= {"pulumi.com/waitFor": ready, "pulumi.com/timeoutSeconds": _READY_SECONDS}
        metadata["annotations"] = {**metadata.get("annotations", {}), **told}
        return kubernetes.apiextensions.CustomResource(
            name,
            api_version=manifest["apiVersion"],
            kind=manifest["kind"],
            metadata=metadata,
            spec=manifest["spec"],
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )
