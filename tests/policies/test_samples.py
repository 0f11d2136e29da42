"""Each policy is proven by samples: what it lets through, what it refuses, and what it then says."""

import functools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from a1platform.platform.policy_set import POLICIES, PolicySet
from tests.policies.gator import Gator, Violation
from tests.policies.proof import misjudged, policy_of, samples, unproven

ALLOWED, DENIED = samples(POLICIES, "allowed"), samples(POLICIES, "denied")
NAMES = sorted(path.parent.name for path in POLICIES.glob("*/policy.rego"))

_FIX = re.compile(r": (bind|choose|declare|give|lower|remove|replace|set|take) ")
_FORMAT = re.compile(r'msg := (?:sprintf\()?"((?:[^"\\]|\\.)*)"')

Evaluate = Callable[[Path], list[Violation]]


@pytest.fixture(scope="session")
def evaluate(gator: Gator, policies: PolicySet) -> Evaluate:
    """Evaluate all policies on one sample; asked again, the first answer is given."""

    @functools.cache
    def evaluated(path: Path) -> list[Violation]:
        return gator.violations(policies, yaml.safe_load_all(path.read_text()))

    return evaluated


def _id(path: Path) -> str:
    return f"{policy_of(path)}-{path.stem}"


@pytest.mark.parametrize("path", ALLOWED, ids=_id)
def test_an_allowed_sample_passes_every_policy(path: Path, evaluate: Evaluate) -> None:
    assert evaluate(path) == []


@pytest.mark.parametrize("path", DENIED, ids=_id)
def test_a_denied_sample_is_refused_by_its_own_policy_only_and_told_the_fix(
    path: Path, evaluate: Evaluate
) -> None:
    violations = evaluate(path)
    assert misjudged(path, violations) == []
    assert [violation.message for violation in violations if not _FIX.search(violation.message)] == []


def test_every_policy_has_a_sample_of_either_kind() -> None:
    assert unproven(POLICIES) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_message_of_a_policy_names_a_fix(name: str) -> None:
    messages = _messages(name)
    assert messages
    assert [message for message in messages if not _FIX.search(message)] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_message_of_a_policy_is_provoked_by_a_denied_sample(name: str, evaluate: Evaluate) -> None:
    said = [violation.message for path in DENIED if policy_of(path) == name for violation in evaluate(path)]
    assert [message for message in _messages(name) if not _provoked(message, said)] == []


def _messages(name: str) -> list[str]:
    return _FORMAT.findall((POLICIES / name / "policy.rego").read_text())


def _provoked(message: str, said: list[str]) -> bool:
    pattern = re.compile(re.sub("%[sv]", ".*", re.escape(message)))
    return any(pattern.fullmatch(text) for text in said)
