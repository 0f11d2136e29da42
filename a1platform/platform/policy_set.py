"""The admission policies: `policies/` as Gatekeeper objects, as the settings want them."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from a1platform.delivery.manifest import Manifest
from a1platform.platform.parameters import parameter_problems
from a1platform.platform.values import merged
from a1platform.settings.policies import EnforcementAction, PolicySettings
from a1platform.settings.words import one_of

POLICIES = Path(__file__).resolve().parents[2] / "policies"
"""The policies of this program."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NEVER_DENY = "a1platform.io/never-deny"
_IMPORT = re.compile(r"^import data\.lib\.(\w+)$", re.MULTILINE)
_LOOKED_UP = (
    {"group": "autoscaling", "version": "v2", "kind": "HorizontalPodAutoscaler"},
    {"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"},
    {"group": "policy", "version": "v1", "kind": "PodDisruptionBudget"},
    {"group": "rbac.authorization.k8s.io", "version": "v1", "kind": "ClusterRole"},
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
    def never_denies(self) -> str:
        """Why it may warn but never deny; nothing where it may."""
        reason: str = self.template["metadata"].get("annotations", {}).get(_NEVER_DENY, "")
        return reason

    @property
    def schema(self) -> Manifest:
        """What the template takes as parameters, as a JSON schema."""
        spec = self.template["spec"]["crd"]["spec"]
        schema: Manifest = spec.get("validation", {}).get("openAPIV3Schema", {})
        return schema

    @property
    def parameters(self) -> frozenset[str]:
        """Names of the parameters that the template takes."""
        return frozenset(self.schema.get("properties", {}))

    @property
    def of_the_cluster(self) -> bool:
        """Whether it applies wherever an object is, be it in no namespace."""
        return "scope" in self.constraint["spec"]["match"]

    def reaches(self, namespace: str) -> bool:
        """Tell whether it applies to what is in a namespace.

        Args:
            namespace: Its name.
        """
        match = self.constraint["spec"]["match"]
        spared = match.get("excludedNamespaces", ())
        return namespace not in spared and _covers(match.get("namespaces", ("*",)), namespace)


@dataclass(frozen=True)
class PolicySet:
    """All policies, and the namespaces that none of them reaches.

    Attributes:
        policies: Sorted by name.
        system_namespaces: Name of a namespace to the reason why no policy applies in it.
    """

    policies: tuple[Policy, ...]
    system_namespaces: Mapping[str, str]

    def configured(self, settings: PolicySettings, accounts_with_token: Sequence[str] = ()) -> "PolicySet":
        """Return the policies as the settings want them: where, how strictly, with which exemptions.

        Args:
            settings: What is wanted.
            accounts_with_token: Accounts that may have a token beside the settings' own, as namespace/name.

        Raises:
            PolicyError: The settings name an unknown policy or parameter, or a system namespace.
        """
        if found := self.problems(settings):
            raise PolicyError("\n".join(found))
        configured = (self._configure(policy, settings, accounts_with_token) for policy in self.policies)
        return replace(self, policies=tuple(configured))

    def problems(self, settings: PolicySettings) -> list[str]:
        """Return a line, which begins with its key, for each thing that is not there or cannot be meant."""
        known = [policy.name for policy in self.policies]
        named = [(f"enforcement.{name}", name) for name in settings.enforcement]
        named += [(f"parameters.{name}", name) for name in settings.parameters]
        named += [
            (f"exemptions[{index}].policy", one.policy) for index, one in enumerate(settings.exemptions)
        ]
        found = [
            f"policies.{key}: found no policy '{name}', {one_of(name, known)}"
            for key, name in named
            if name not in known
        ]
        found += [
            f"policies.enforcement.{one.name}: found deny, expected at most warn: {one.never_denies}, "
            "so a new cluster would refuse what is right"
            for one in self.policies
            if one.never_denies and settings.enforcement.get(one.name) == "deny"
        ]
        for policy in self.policies:
            given = settings.parameters.get(policy.name, {})
            found += parameter_problems(policy.name, policy.schema, given)
        found += self._exemption_problems(settings)
        spared = self.system_namespaces
        return found + [
            f"policies.namespaces[{index}]: found {name}, expected one that policies reach: {spared[name]}"
            for index, name in enumerate(settings.namespaces)
            if name in spared
        ]

    def _exemption_problems(self, settings: PolicySettings) -> Iterator[str]:
        """Yield a line for each exemption that would change nothing."""
        known = {policy.name: policy for policy in self.policies}
        for index, one in enumerate(settings.exemptions):
            key = f"policies.exemptions[{index}]"
            policy = known.get(one.policy)
            if policy is None:
                continue
            if policy.of_the_cluster:
                instead = " or ".join(
                    f"policies.parameters.{one.policy}.{each}" for each in sorted(policy.parameters)
                )
                yield f"{key}.policy: found {one.policy}, which is of the whole cluster, expected {instead}"
            elif one.namespace in self.system_namespaces or not _covers(settings.namespaces, one.namespace):
                yield (
                    f"{key}.namespace: found {one.namespace}, which no policy reaches, expected one of "
                    f"policies.namespaces: {', '.join(settings.namespaces)}"
                )

    def _configure(
        self, policy: Policy, settings: PolicySettings, accounts_with_token: Sequence[str]
    ) -> Policy:
        constraint = copy.deepcopy(policy.constraint)
        spec = constraint["spec"]
        given = settings.parameters.get(policy.name, {})
        if given:
            # By key: a limit for one thing leaves those for others.
            spec["parameters"] = merged(spec.get("parameters", {}), given)
        if accounts_with_token and "accountsWithToken" in policy.parameters:
            listed = spec["parameters"]["accountsWithToken"]
            spec["parameters"]["accountsWithToken"] = sorted({*listed, *accounts_with_token})
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


def _covers(patterns: Sequence[str], namespace: str) -> bool:
    """Tell whether one of the patterns is that of a namespace."""
    return any(fnmatchcase(namespace, pattern) for pattern in patterns)


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
