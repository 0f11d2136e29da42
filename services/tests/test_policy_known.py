"""What is remembered of rules makes no decision another one, and takes little memory."""

import itertools

import pytest
from mcp_services.core.identity import Subject
from mcp_services.documents import Phase, PoliciesDocument
from mcp_services.policy import engine as engine_module
from mcp_services.policy.engine import CelEngine, Question
from prometheus_client import REGISTRY

RULES: list[dict[str, object]] = [
    {"name": "dry", "effect": "deny", "dryRun": True, "when": '"tools" in subject.scopes'},
    {"name": "dry-and-broken", "dryRun": True, "when": "subject.missing > 1"},
    {"name": "no-secrets", "effect": "deny", "phases": ["call"], "when": 'has(args.x) && args.x == "secret"'},
    {"name": "no-errors", "effect": "deny", "phases": ["result"], "when": "result.isError"},
    {"name": "admins", "when": '"admin" in subject.scopes && phase == "call"'},
    {"name": "broken", "tools": ["b__*"], "effect": "deny", "when": "subject.missing > 1"},
    {"name": "number", "tools": ["n__*"], "when": "1"},
    {"name": "own", "tools": ["a__*"], "when": 'tool.server == "a" && args.x == "good"', "phases": ["call"]},
    {"name": "workflows", "phases": ["call"], "when": 'workflow == "w"'},
    {"name": "all", "phases": ["list"], "tools": ["a__*"]},
]
SUBJECTS = [Subject("a", "user", scopes) for scopes in ((), ("tools",), ("admin",), ("tools", "admin"))]
QUESTIONS = [
    Question(phase, subject, tool, {} if x is None else {"x": x}, workflow, {"isError": x == "good"})
    for phase, subject, tool, x, workflow in itertools.product(
        Phase, SUBJECTS, ("a__t", "b__t", "n__t", "t"), (None, "secret", "good"), ("", "w")
    )
]


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_decision_is_that_of_an_engine_which_remembers_nothing(dry_run: bool) -> None:  # noqa: FBT001
    document = PoliciesDocument.model_validate({"rules": RULES, "dryRun": dry_run})
    remembering = CelEngine(document)
    for _ in range(2):
        for question in QUESTIONS:
            assert remembering.decide(question) == CelEngine(document).decide(question)


def test_a_rule_in_dry_run_is_counted_at_each_call_though_its_outcome_is_known() -> None:
    labels = {"phase": "call", "decision": "dry_run_deny", "rule": "dry"}
    before = REGISTRY.get_sample_value("mcp_policy_decisions_total", labels) or 0.0
    engine = CelEngine(PoliciesDocument.model_validate({"rules": RULES}))
    for _ in range(3):
        engine.decide(Question(Phase.CALL, SUBJECTS[1], "a__t", {"x": "good"}))
    assert REGISTRY.get_sample_value("mcp_policy_decisions_total", labels) == before + 3


def test_names_that_are_long_or_many_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_MOST_KNOWN", 10)
    engine = CelEngine(PoliciesDocument.model_validate({"rules": RULES}))
    for number in range(100):
        engine.decide(Question(Phase.CALL, SUBJECTS[1], f"t{number}"))
        engine.decide(Question(Phase.CALL, SUBJECTS[1], "x" * 1000))
        assert len(engine._known) <= 10
    assert max(len(tool) for _, _, tool in engine._known) < 10
