"""What the rules promise."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from mcp_services.core import lines
from mcp_services.core.headers import doubled
from mcp_services.core.identity import Subject
from mcp_services.documents import Phase, PoliciesDocument
from mcp_services.policy import rest
from mcp_services.policy.app import PolicyProxy, PolicySettings, _Call
from mcp_services.policy.engine import CelEngine, Decision, Question
from mcp_services.policy.messages import MalformedError, Message, read, result_facts, visible_tools
from prometheus_client import REGISTRY
from pydantic import ValidationError
from starlette.requests import Request

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


def test_a_rule_in_dry_run_is_logged_and_counted_where_it_would_have_had_an_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[tuple[object, object]] = []

    def write(_: str, fields: Mapping[str, object], *, now: bool = False) -> None:
        assert now
        written.append((fields["decision"], fields["rule"]))

    monkeypatch.setattr(lines, "write", write)
    labels = {"phase": "call", "decision": "dry_run_deny", "rule": "never"}
    before = REGISTRY.get_sample_value("mcp_policy_decisions_total", labels) or 0.0
    decided([{"name": "never", "effect": "deny", "dryRun": True}, ALLOW])
    assert REGISTRY.get_sample_value("mcp_policy_decisions_total", labels) == before + 1
    assert written == [("dry_run_deny", "never"), ("allow", "allow")]


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_method_that_is_not_offered_is_counted_and_let_through_in_dry_run_alone(
    tmp_path: Path,
    dry_run: bool,  # noqa: FBT001
) -> None:
    engine = CelEngine(PoliciesDocument(dry_run=dry_run))
    proxy = PolicyProxy(PolicySettings(internal_key_file=tmp_path / "key"), lambda: engine)
    verdict = "dry_run_deny" if dry_run else "deny"
    labels = {"phase": "call", "decision": verdict, "rule": "default-deny"}
    before = REGISTRY.get_sample_value("mcp_policy_decisions_total", labels) or 0.0
    message = Message("resources/list", 1, {}, modern=True)
    decision = proxy._before(_Call(Request({"type": "http"}), b"", message, ALICE, ""))
    assert decision is not None
    assert (decision.allowed, decision.rule) == (dry_run, "default-deny")
    assert REGISTRY.get_sample_value("mcp_policy_decisions_total", labels) == before + 1


def test_a_result_is_given_back_unless_a_rule_withholds_it() -> None:
    withhold: dict[str, object] = {
        "name": "no-secrets",
        "effect": "deny",
        "phases": ["result"],
        "when": 'result.text.contains("SECRET")',
    }
    harmful = result_facts(200, b'{"result": {"content": [{"type": "text", "text": "a SECRET"}]}}')
    streamed = result_facts(
        200, b'event: message\r\ndata: {"result": {"content": [{"text": "SECRET"}]}}\r\n', events=True
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
        read(body, headers, [(name.encode(), value.encode()) for name, value in headers.items()])
    assert refused.value.code == -32020


@pytest.mark.parametrize("name", ["mcp-name", "mcp-param-region"])
def test_a_header_that_came_twice_goes_no_further(name: str) -> None:
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", name: "s__a"}
    raw = [(one.encode(), value.encode()) for one, value in headers.items()]
    with pytest.raises(MalformedError, match=f"{name} header appears more than once") as refused:
        read(b'{"id": 1, "method": "tools/call"}', headers, [*raw, (name.encode(), b"s__a")])
    assert refused.value.code == -32020


def test_a_header_that_neither_routes_nor_is_an_argument_may_come_twice() -> None:
    headers = {"accept": "a", "mcp-param-a": "1", "mcp-param-b": "1"}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert doubled(headers, [*raw, (b"accept", b"b")]) is None


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
    question = rest.question(method, path, "", b"", ALICE)
    assert question is not None
    assert question.tool == tool
    assert rest.question("PUT", path, "", b"", ALICE) is None


def test_a_run_asked_for_by_rest_is_decided_on_by_the_arguments_of_the_tool() -> None:
    path = "/v1/workflows/w/runs"
    later = rest.question("POST", path, "async=false&async=true", b'{"x": 1}', ALICE)
    now = rest.question("POST", path, "", b"", ALICE)
    assert later is not None
    assert now is not None
    assert later.args == {"workflow": "w", "input": {"x": 1}, "async": True}
    assert now.args == {"workflow": "w", "input": {}}


@pytest.mark.parametrize("name", ["foo%62ar", "foo%2562ar", "a%2Fruns", "\u00e9", "a;b", "a/../b"])
def test_a_path_that_the_next_hop_could_read_otherwise_is_no_resource(name: str) -> None:
    assert rest.question("POST", f"/v1/workflows/{name}/runs", "", b"", ALICE) is None


@pytest.mark.parametrize("path", ["//v1/workflows", "/v1/workflows/", "/v1/runs/1/", "v1/workflows"])
def test_a_path_with_more_or_fewer_slashes_is_no_resource(path: str) -> None:
    assert rest.question("GET", path, "", b"", ALICE) is None


WITHHOLD: dict[str, object] = {
    "name": "no-secrets",
    "effect": "deny",
    "phases": ["result"],
    "when": 'result.text.contains("SECRET")',
}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"result": {"content": [], "structuredContent": {"deep": [{"note": "a SECRET"}]}}}),
        (200, {"result": {"content": [{"type": "resource", "resource": {"text": "SECRET"}}]}}),
        (200, {"result": {"content": [], "_meta": {"note": "SECRET"}}}),
        (200, {"error": {"code": 1, "message": "a SECRET"}}),
        (400, {"error": {"code": 1, "message": "m", "data": {"trace": ["SECRET"]}}}),
        (500, "a SECRET"),
    ],
)
def test_a_rule_on_results_sees_every_text_wherever_it_stands(status: int, body: object) -> None:
    content = json.dumps(body).encode() if isinstance(body, dict) else str(body).encode()
    facts = result_facts(status, content)
    assert decided([WITHHOLD], Phase.RESULT, result=facts).rule == "no-secrets"
    fine = result_facts(status, content.replace(b"SECRET", b"word"))
    assert decided([WITHHOLD], Phase.RESULT, result=fine).allowed


def test_a_text_that_came_before_the_result_is_seen_as_well() -> None:
    progress = b'data: {"method": "notifications/progress", "params": {"message": "SECRET"}}'
    facts = result_facts(200, progress + b'\n\ndata: {"result": {"content": []}}\n\n', events=True)
    assert not facts["isError"]
    assert not decided([WITHHOLD], Phase.RESULT, result=facts).allowed


def test_an_answer_that_cannot_be_read_is_not_given_back() -> None:
    with pytest.raises(ValueError, match="unexpected"):
        result_facts(200, b"SECRET")


@pytest.mark.parametrize(
    ("status", "shown", "failed"),
    [
        (200, {"status": "succeeded", "output": {"a": "SECRET"}}, False),
        (200, {"status": "refused", "output": None, "error": "SECRET"}, True),
        (202, {"status": "running", "output": "SECRET"}, False),
        (422, {"error": "SECRET"}, True),
    ],
)
def test_a_result_given_back_by_rest_is_decided_on_like_the_tools(
    status: int,
    shown: dict[str, object],
    failed: bool,  # noqa: FBT001
) -> None:
    facts = rest.result_facts("workflow_run", status, json.dumps(shown).encode())
    assert facts["isError"] is failed
    assert not decided([WITHHOLD], Phase.RESULT, result=facts).allowed


@pytest.mark.parametrize(
    ("tool", "server", "short"),
    [
        ("example__my__tool", "example", "my__tool"),
        ("example____x", "example", "__x"),
        ("workflow_run", "", "workflow_run"),
    ],
)
def test_a_tool_belongs_to_the_server_that_the_orchestrator_calls(tool: str, server: str, short: str) -> None:
    rule = {"name": "r", "phases": ["call"], "when": f'tool.server == "{server}" && tool.short == "{short}"'}
    engine = CelEngine(PoliciesDocument.model_validate({"rules": [rule]}))
    assert engine.decide(Question(Phase.CALL, ALICE, tool)).allowed
