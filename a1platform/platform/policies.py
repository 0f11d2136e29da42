"""The admission policies: `policies/` as Gatekeeper objects, and their order on the cluster."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes
import yaml

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.delivery.pulumi_sink import declare
from a1platform.observability.policy_alerts import policy_rule
from a1platform.platform.mutations import mutations
from a1platform.settings.policies import EnforcementAction, PolicySettings

POLICIES = Path(__file__).resolve().parents[2] / "policies"
"""The policies of this program."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_IMPORT = re.compile(r"^import data\.lib\.(\w+)$", re.MULTILINE)
_TEMPLATE_READY = "jsonpath={.status.created}=true"
_CONSTRAINT_READY = 'jsonpath={.status.byPod[?(@.operations[?(@ == "webhook")])].enforced}=true'
_READY_SECONDS = "180"
_LOOKED_UP = (
    {"group": "autoscaling", "version": "v2", "kind": "HorizontalPodAutoscaler"},
    {"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"},
    {"group": "policy", "version": "v1", "kind": "PodDisruptionBudget"},
)
"""What policies look up. KEDA's own kind is not in it: it may be absent, and makes an autoscaler of each."""


class PolicyError(ValueError):
    """The policies or their settings contradict each other; the text names both sides."""


@dataclass(frozen=True)
class Policy:
    """One policy: a template that says what is wrong, and the constraint that says where it matters.

    Attributes:
        name: Name of its folder and of its constraint.
        template: The ConstraintTemplate, its Rego and the libraries that it imports included.
        constraint: The constraint.
    """

    name: str
    template: Manifest
    constraint: Manifest

    @property
    def action(self) -> EnforcementAction:
        """What happens to a violation."""
        action: EnforcementAction = self.constraint["spec"]["enforcementAction"]
        return action

    @property
    def parameters(self) -> frozenset[str]:
        """Names of the parameters that the template takes."""
        names = self.template["spec"]["crd"]["spec"]
        return frozenset(names.get("validation", {}).get("openAPIV3Schema", {}).get("properties", {}))


@dataclass(frozen=True)
class PolicySet:
    """All policies, and the namespaces that none of them reaches.

    Attributes:
        policies: Sorted by name.
        system_namespaces: Name of a namespace to the reason why no policy applies in it.
    """

    policies: tuple[Policy, ...]
    system_namespaces: Mapping[str, str]

    def configured(self, settings: PolicySettings) -> "PolicySet":
        """Return the policies as the settings want them: where, how strictly, with which exemptions.

        Raises:
            PolicyError: The settings name an unknown policy or parameter, or a system namespace.
        """
        known = {policy.name for policy in self.policies}
        exempt = [exemption.policy for exemption in settings.exemptions]
        for name in (*settings.enforcement, *settings.parameters, *exempt):
            if name not in known:
                there = ", ".join(sorted(known))
                raise PolicyError(f"the settings name the policy '{name}'; there are: {there}")
        for namespace in settings.namespaces:
            if namespace in self.system_namespaces:
                reason = self.system_namespaces[namespace]
                raise PolicyError(f"namespace '{namespace}' is out of reach for every policy: {reason}")
        return replace(self, policies=tuple(self._configure(policy, settings) for policy in self.policies))

    def _configure(self, policy: Policy, settings: PolicySettings) -> Policy:
        constraint = copy.deepcopy(policy.constraint)
        spec = constraint["spec"]
        given = settings.parameters.get(policy.name, {})
        if unknown := sorted(given.keys() - policy.parameters):
            takes = ", ".join(sorted(policy.parameters)) or "none"
            raise PolicyError(f"policy '{policy.name}' has no parameter '{unknown[0]}'; it takes: {takes}")
        if given:
            spec["parameters"] = {**spec.get("parameters", {}), **given}
        exemptions = [exemption for exemption in settings.exemptions if exemption.policy == policy.name]
        if exemptions:
            constraint["metadata"]["annotations"] = {
                f"exemption.a1platform.io/{exemption.namespace}": exemption.reason for exemption in exemptions
            }
        spec["enforcementAction"] = settings.enforcement.get(policy.name, policy.action)
        if "scope" not in spec["match"]:
            spec["match"]["namespaces"] = list(settings.namespaces)
        spec["match"]["excludedNamespaces"] = sorted(
            {*self.system_namespaces, *(exemption.namespace for exemption in exemptions)}
        )
        return replace(policy, constraint=constraint)

    def gatekeeper_config(self, namespace: str) -> Manifest:
        """Return Gatekeeper's own configuration: what it never looks at, and what policies may look up.

        Args:
            namespace: The namespace in which Gatekeeper runs.
        """
        return {
            "apiVersion": "config.gatekeeper.sh/v1alpha1",
            "kind": "Config",
            "metadata": {"name": "config", "namespace": namespace},
            "spec": {
                "match": [
                    {
                        "excludedNamespaces": sorted(self.system_namespaces),
                        # Not `sync`: a host is taken whichever namespace its Ingress is in.
                        "processes": ["audit", "mutation-webhook", "webhook"],
                    }
                ],
                "sync": {"syncOnly": [dict(kind) for kind in _LOOKED_UP]},
            },
        }

    def manifests(self) -> Iterator[Manifest]:
        """Give all templates, then all constraints, as plain Kubernetes objects."""
        yield from (policy.template for policy in self.policies)
        yield from (policy.constraint for policy in self.policies)


def load(folder: Path = POLICIES) -> PolicySet:
    """Read the policies.

    Args:
        folder: Holds `system-namespaces.yaml`, `lib/*.rego`, and a folder for each policy with
            `template.yaml`, `policy.rego` and `constraint.yaml`.

    Raises:
        PolicyError: A template and its constraint do not belong together, or a library is missing.
    """
    namespaces: dict[str, str] = _read(folder / "system-namespaces.yaml")
    libraries = {path.stem: path.read_text() for path in (folder / "lib").glob("*.rego")}
    paths = sorted(path.parent for path in folder.glob("*/template.yaml"))
    return PolicySet(tuple(_policy(path, libraries) for path in paths), namespaces)


def _read(path: Path) -> Manifest:
    # libyaml, where PyYAML was built with it: every run reads them all.
    content: Manifest = yaml.load(path.read_text(), Loader=_LOADER)  # noqa: S506 - either is a safe loader
    return content


def _policy(folder: Path, libraries: Mapping[str, str]) -> Policy:
    template: Manifest = _read(folder / "template.yaml")
    constraint: Manifest = _read(folder / "constraint.yaml")
    kind = template["spec"]["crd"]["spec"]["names"]["kind"]
    if (constraint["kind"], constraint["metadata"]["name"]) != (kind, folder.name):
        raise PolicyError(f"{folder.name}/constraint.yaml must be a {kind} named '{folder.name}'")
    rego = (folder / "policy.rego").read_text()
    imported = _IMPORT.findall(rego)
    if missing := [name for name in imported if name not in libraries]:
        raise PolicyError(f"{folder.name}/policy.rego imports lib/{missing[0]}.rego, which does not exist")
    (target,) = template["spec"]["targets"]
    target["rego"] = rego
    target["libs"] = [libraries[name] for name in imported]
    return Policy(folder.name, template, constraint)


@dataclass(frozen=True)
class PoliciesArgs:
    """What the component `Policies` needs.

    Attributes:
        settings: Its slice of the settings.
        gatekeeper_namespace: The namespace in which Gatekeeper runs.
        folder: The policies.
        crds: The monitoring stack's kinds, where they are installed.
        after: What they wait for: a Gatekeeper that answers.
    """

    settings: PolicySettings
    gatekeeper_namespace: str = "gatekeeper-system"
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
        policies = load(args.folder).configured(args.settings)
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
        if ready:
            waiting = {"pulumi.com/waitFor": ready, "pulumi.com/timeoutSeconds": _READY_SECONDS}
            metadata["annotations"] = {**metadata.get("annotations", {}), **waiting}
        return kubernetes.apiextensions.CustomResource(
            name,
            api_version=manifest["apiVersion"],
            kind=manifest["kind"],
            metadata=metadata,
            spec=manifest["spec"],
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )
