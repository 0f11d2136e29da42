"""The unit tests of the policies' libraries, in the form of Open Policy Agent's own test runner.

Gatekeeper's evaluator runs them, whose engine is that of the cluster: each test becomes a violation when it
does not hold. `opa test` of that engine's version runs the same files in `make test-long`, which builds it.
"""

import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from a1platform.platform.policy_set import POLICIES, Policy, PolicySet
from sandbox.build.go import ProxyError, build
from sandbox.cache import Cache
from sandbox.progress import to_terminal
from sandbox.recipes.opa import PROGRAM
from tests.policies.gator import Gator

LIBRARIES = sorted((POLICIES / "lib").glob("*.rego"))
TESTS = {
    path.stem: re.findall(r"^(test_\w+) \{", path.read_text(), re.MULTILINE)
    for path in sorted((POLICIES / "lib" / "tests").glob("*_test.rego"))
}
EVERY = [(module, name) for module, names in TESTS.items() for name in names]
_TARGET = "admission.k8s.gatekeeper.sh"
_OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "any", "namespace": "any"}}


@pytest.fixture(scope="module")
def failed(gator: Gator) -> Callable[[dict[str, str]], set[str]]:
    """A function that runs all tests, some modules replaced, and returns which of them did not hold."""

    def run(replaced: dict[str, str]) -> set[str]:
        paths = [*LIBRARIES, *(POLICIES / "lib" / "tests" / f"{module}.rego" for module in TESTS)]
        libraries = [replaced.get(path.stem, path.read_text()) for path in paths]
        rules = [
            f'violation[{{"msg": "{name}"}}] {{ not data.lib.{module}.{name} }}' for module, name in EVERY
        ]
        target = {"target": _TARGET, "rego": "\n".join(["package a1tests", *rules]), "libs": libraries}
        template: dict[str, Any] = {
            "apiVersion": "templates.gatekeeper.sh/v1",
            "kind": "ConstraintTemplate",
            "metadata": {"name": "a1tests"},
            "spec": {"crd": {"spec": {"names": {"kind": "A1Tests"}}}, "targets": [target]},
        }
        constraint = {
            "apiVersion": "constraints.gatekeeper.sh/v1beta1",
            "kind": "A1Tests",
            "metadata": {"name": "tests"},
            "spec": {"enforcementAction": "deny", "match": {}},
        }
        policies = PolicySet((Policy("tests", template, constraint),), {})
        return {violation.message for violation in gator.violations(policies, [_OBJECT])}

    return run


def test_every_library_has_tests() -> None:
    assert {f"{path.stem}_test" for path in LIBRARIES} == set(TESTS)
    assert [module for module, names in TESTS.items() if not names] == []


def test_every_test_of_the_libraries_holds(failed: Callable[[dict[str, str]], set[str]]) -> None:
    assert failed({}) == set()


def test_a_test_of_a_broken_library_does_not_hold(failed: Callable[[dict[str, str]], set[str]]) -> None:
    broken = (POLICIES / "lib" / "image.rego").read_text().replace("^localhost$|", "")
    assert failed({"image": broken}) == {"test_what_could_be_a_host_is_the_registry"}


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_open_policy_agents_own_runner_agrees() -> None:
    try:
        opa = build(PROGRAM, Cache.default(), to_terminal) / "opa"
    except ProxyError as error:
        pytest.skip(f"no opa: {error}")
    done = subprocess.run([opa, "test", str(POLICIES / "lib")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"PASS: {len(EVERY)}/{len(EVERY)}" in done.stdout
