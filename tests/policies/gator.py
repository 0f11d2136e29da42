"""Gatekeeper's own evaluator, called as a program."""

import json
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from a1platform.platform.policy_set import PolicySet


@dataclass(frozen=True)
class Violation:
    """One violation: the constraint, its enforcement action, the message and the object that it is about."""

    policy: str
    action: str
    message: str
    object: str


@dataclass(frozen=True)
class Gator:
    """Gatekeeper's evaluator of the pinned version, which takes objects and policies as files."""

    program: Path
    folder: Path

    def violations(self, policies: PolicySet, objects: Iterable[dict[str, Any]]) -> list[Violation]:
        """Evaluate all policies on these objects, which also see each other."""
        path = self.folder / "objects.yaml"
        path.write_text(yaml.safe_dump_all([*policies.manifests(), *objects]))
        command = [str(self.program), "test", "--filename", str(path), "--output", "json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        # Violations and errors end with the same exit code, and warnings come on standard error too.
        assert done.stdout.strip() or done.returncode == 0, done.stderr
        return [
            Violation(
                policy=entry["constraint"]["metadata"]["name"],
                action=entry["enforcementAction"],
                message=entry["msg"],
                object=f"{entry['violatingObject']['kind']}/{entry['violatingObject']['metadata']['name']}",
            )
            for entry in json.loads(done.stdout or "null") or []
        ]

    def refusing_update(self, policies: PolicySet, before: dict[str, Any], after: dict[str, Any]) -> set[str]:
        """Return the policies that refuse an update; admission, unlike the audit, sees both sides of it."""
        group, _, version = after["apiVersion"].rpartition("/")
        request = {
            "operation": "UPDATE",
            "kind": {"group": group, "version": version, "kind": after["kind"]},
            "name": after["metadata"]["name"],
            "namespace": after["metadata"].get("namespace", ""),
            "object": after,
            "oldObject": before,
        }
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        files, tests = {"review.yaml": review}, []
        case = {"name": "update", "object": "review.yaml", "assertions": [{"violations": "no"}]}
        for one in policies.policies:
            template, constraint = f"{one.name}-template.yaml", f"{one.name}-constraint.yaml"
            files |= {template: one.template, constraint: one.constraint}
            tests.append({"name": one.name, "template": template, "constraint": constraint, "cases": [case]})
        suite = {"apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite", "tests": tests}
        for name, content in {**files, "suite.yaml": suite}.items():
            (self.folder / name).write_text(yaml.safe_dump(content))
        command = [str(self.program), "verify", "--verbose", str(self.folder / "suite.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        judged = {name: word for word, name in re.findall(r"^--- (\w+): (\S+)", done.stdout, re.MULTILINE)}
        assert judged.keys() == {one.name for one in policies.policies}, done.stdout + done.stderr
        return {name for name, word in judged.items() if word == "FAIL"}

    def mutated(self, mutators: Iterable[dict[str, Any]], silent: dict[str, Any]) -> dict[str, Any]:
        """Return an object of the core group after the mutations.

        The evaluator mutates what it expands from something else, so the object is put into a Deployment.
        """
        metadata = {"name": "made", "namespace": silent["metadata"]["namespace"]}
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": metadata["namespace"]}}
        objects = [
            _expansion(silent["kind"]),
            space,
            {**deployment, "spec": {"template": silent}},
            *mutators,
        ]
        path = self.folder / "expanded.yaml"
        path.write_text(yaml.safe_dump_all(objects))
        command = [str(self.program), "expand", "--filename", str(path), "--format", "yaml"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        (found,) = yaml.safe_load_all(done.stdout)
        # By the name that the evaluator gives it nothing else would know it.
        return {**found, "metadata": silent["metadata"]}


def _expansion(kind: str) -> dict[str, Any]:
    return {
        "apiVersion": "expansion.gatekeeper.sh/v1alpha1",
        "kind": "ExpansionTemplate",
        "metadata": {"name": "deployments"},
        "spec": {
            "applyTo": [{"groups": ["apps"], "kinds": ["Deployment"], "versions": ["v1"]}],
            "templateSource": "spec.template",
            "generatedGVK": {"group": "", "version": "v1", "kind": kind},
        },
    }
