"""What the rules promise."""

import json

import pytest
from mcp_services.core.identity import Subject
from mcp_services.documents import Phase, PoliciesDocument
from mcp_services.policy.app import rest_question
from mcp_services.policy.engine import CelEngine, Decision, Question
from mcp_services.policy.messages import MalformedError, read, result_facts, visible_tools
from pydantic import ValidationError

ALICE = Subject("alice", "user", ("tools",))


def decided(
    rules: list[dict[str, object]],
    phase: Phase = Phase.CALL,
    *,
    dry_run: bool = False,
    args: dict[str, object] | None = None,
    result: dict[str, object] | None = None,
) -> Decision:
    """The decision on alice's use of `s__tool`."""
    document = PoliciesDocument.model_validate({"rules": rules, "dryRun": dry_run})
    question = Question(phase, ALICE, "s__tool", args=args or {}, result=result or {})
    return CelEngine(document).decide(question)


ALLOW: dict[str, object] = {"name": "allow", "phases": ["list", "call"]}


def test_what_no_rule_allows_is_refused_by_default_deny() -> None:
    assert decided([]) == Decision(allowed=False, rule="default-deny", reason="no rule allows it")


def test_a_denial_outweighs_an_allowance_whatever_their_order() -> None:
    deny: dict[str, object] = {"name": "deny", "effect": "deny"}
    assert decided([ALLOW, deny]).rule == decided([deny, ALLOW]).rule == "deny"


def test_an_expression_that_fails_denies_and_names_its_rule() -> None:
    broken: dict[str, object] = {"name": "broken", "phases": ["call"], "when": "args.missing > 1"}
    decision = decided([broken, ALLOW])
    assert (decision.allowed, decision.rule) == (False, "broken")


def test_an_expression_that_is_no_truth_value_denies() -> None:
    assert not decided([{"name": "number", "phases": ["call"], "when": "1"}]).allowed


def test_arguments_scopes_and_tool_names_can_be_asked_for() -> None:
    when = '"tools" in subject.scopes && args.x < 5 && tool.server == "s"'
    rules: list[dict[str, object]] = [{"name": "r", "phases": ["call"], "tools": ["s__*"], "when": when}]
    assert decided(rules, args={"x": 4}).allowed
    assert not decided(rules, args={"x": 6}).allowed


def test_an_expression_gets_every_fact_that_it_names_also_within_a_macro() -> None:
    when = 'args.items.exists(i, i in subject.scopes) && phase == "call" && workflow == ""'
    rules: list[dict[str, object]] = [{"name": "r", "phases": ["call"], "when": when}]
    assert decided(rules, args={"items": ["other", "tools"]}).allowed
    assert not decided(rules, args={"items": ["other"]}).allowed


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"name": "r", "phases": ["list"], "when": "args.x > 1"}, "args is not available"),
        ({"name": "r", "when": "a b ("}, "rule r"),
        ({"name": "r", "when": "resource.x"}, "resource is not available"),
        ({"name": "r", "phases": []}, "at least 1"),
        ({"name": "r", "unknown": 1}, "unknown"),
    ],
)
def test_a_rule_that_could_not_work_is_refused_before_it_takes_effect(
    rule: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        PoliciesDocument.model_validate({"rules": [rule]})


def test_dry_run_lets_everything_through_and_keeps_the_rule_that_would_have_refused() -> None:
    decision = decided([{"name": "deny", "effect": "deny"}], dry_run=True)
    assert (decision.allowed, decision.rule) == (True, "deny")


def test_a_rule_in_dry_run_changes_nothing() -> None:
    assert decided([{"name": "deny", "effect": "deny", "dryRun": True}, ALLOW]).allowed


def test_a_result_is_given_back_unless_a_rule_withholds_it() -> None:
    withhold: dict[str, object] = {
        "name": "no-secrets",
        "effect": "deny",
        "phases": ["result"],
        "when": 'result.text.contains("SECRET")',
    }
    harmful = result_facts(b'{"result": {"content": [{"type": "text", "text": "a SECRET"}]}}')
    streamed = result_facts(
        b'event: message\r\ndata: {"result": {"content": [{"text": "SECRET"}]}}\r\n', events=True
    )
    assert not decided([withhold], Phase.RESULT, result=harmful).allowed
    assert not decided([withhold], Phase.RESULT, result=streamed).allowed
    assert decided([withhold], Phase.RESULT, result={"isError": False, "text": "fine", "size": 9}).allowed


def test_a_listing_shows_only_what_is_allowed_and_may_not_be_shared() -> None:
    rules = {"rules": [{"name": "some", "phases": ["list"], "tools": ["s__a"]}]}
    engine = CelEngine(PoliciesDocument.model_validate(rules))
    body = b'{"id":1,"result":{"tools":[{"name":"s__a"},{"name":"s__b"}],"cacheScope":"public","ttlMs":9000}}'
    assert visible_tools(body, engine, ALICE, modern=True) == (
        b'{"id":1,"result":{"tools":[{"name":"s__a"}],"cacheScope":"private","ttlMs":0}}'
    )


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"[{}]", b"{", b'{"method":1}', b'{"method":"x","params":[]}', b"1"]
)
def test_a_body_that_is_no_single_message_goes_no_further(body: bytes) -> None:
    with pytest.raises(MalformedError):
        read(body, {}, [])


def test_a_header_that_contradicts_the_body_goes_no_further() -> None:
    keys = {"protocolVersion": "2026-07-28", "clientCapabilities": {}}
    meta = {f"io.modelcontextprotocol/{key}": value for key, value in keys.items()}
    body = json.dumps({"id": 1, "method": "tools/call", "params": {"name": "s__b", "_meta": meta}}).encode()
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "s__a"}
    with pytest.raises(MalformedError) as refused:
        read(body, headers, list(headers.items()))
    assert refused.value.code == -32020


@pytest.mark.parametrize(
    ("method", "path", "tool"),
    [
        ("GET", "/v1/workflows", "workflow_list"),
        ("POST", "/v1/workflows/w/runs", "workflow_run"),
        ("GET", "/v1/runs/1", "workflow_status"),
        ("DELETE", "/v1/runs/1", "workflow_cancel"),
    ],
)
def test_the_rest_interface_obeys_the_rules_of_the_tools(method: str, path: str, tool: str) -> None:
    question = rest_question(method, path, ALICE)
    assert question is not None
    assert question.tool == tool
    assert rest_question("PUT", path, ALICE) is None
