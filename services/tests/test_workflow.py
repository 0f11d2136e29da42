"""How workflows run."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_services.core.identity import Subject
from mcp_services.documents import Phase, Step, Workflow
from mcp_services.expressions import steps_named
from mcp_services.orchestrator.federation import Call, ToolUnavailableError
from mcp_services.orchestrator.run import Run, Status
from mcp_services.orchestrator.workflow import (
    MOST_AT_ONCE,
    BusyError,
    Engine,
    InvalidInputError,
    RefusedError,
)
from mcp_types import CallToolResult, TextContent
from pydantic import ValidationError

ALICE = Subject("alice", "user")


def workflow(*steps: dict[str, Any], **other: object) -> Workflow:
    """A workflow whose steps call tool `t` of server `s`."""
    full = [{"server": "s", "tool": "t"} | step for step in steps]
    return Workflow.model_validate({"name": "w", "steps": full} | other)


class Tools:
    """Real enough: answers with its arguments, after a pause, failing as often as it is told."""

    def __init__(self, pause: float = 0.0, failures: int = 0) -> None:
        """Pause so long, fail so often."""
        self.pause, self.failures = pause, failures
        self.calls: list[Call] = []
        self.running = self.most = 0

    async def __call__(self, call: Call) -> CallToolResult:
        """Answer a call."""
        self.calls.append(call)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.pause)
        finally:
            self.running -= 1
        if self.failures > 0:
            self.failures -= 1
            raise ToolUnavailableError("down")
        text = TextContent(type="text", text=str(dict(call.args)))
        return CallToolResult(content=[text], structured_content={"result": call.args.get("x")})


async def allow(*_: object) -> None:
    return None


async def finished(tools: Tools, of: Workflow, given: dict[str, Any] | None = None) -> Run:
    """The run, done."""
    run = Engine(tools, allow).start(of, given or {}, ALICE, None)
    assert run.task
    await run.task
    return run


async def test_independent_steps_run_at_once_and_results_flow_to_those_that_need_them() -> None:
    tools = Tools(pause=0.05)
    run = await finished(
        tools,
        workflow(
            {"id": "a", "args": {"x": "${input.n + 1}"}},
            {"id": "b", "args": {"x": 10}},
            {"id": "c", "needs": ["a", "b"], "args": {"x": "${steps.a.result + steps.b.result}"}},
            output={"sum": "${steps.c.result}"},
        ),
        {"n": 1},
    )
    assert (run.status, run.output, tools.most) == (Status.SUCCEEDED, {"sum": 12}, 2)


async def test_an_expression_sees_the_steps_that_are_needed_and_no_other() -> None:
    run = await finished(
        Tools(),
        workflow(
            {"id": "a", "args": {"x": 1}},
            {"id": "b", "needs": ["a"], "args": {"x": 2}},
            {"id": "beside", "args": {"x": 3}},
            {"id": "c", "needs": ["b"], "args": {"x": "${steps.map(s, s)}"}},
            {"id": "d", "needs": ["c", "beside"], "args": {"x": "${steps.a.result + steps.beside.result}"}},
            output={"seen": "${steps.c.result}", "sum": "${steps.d.result}"},
        ),
    )
    assert run.status is Status.SUCCEEDED, run.error
    assert (sorted(run.output["seen"]), run.output["sum"]) == (["a", "b"], 4)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("steps.a.result + steps [ 'b' ].x + steps . c", {"a", "b", "c"}),
        ("has(steps.a.x) ? 'steps.no' : \"steps['no']\" + input.steps.no // steps.no", {"a"}),
        ("steps.exists(s, s == 'no') || size(steps) > 1 || mysteps.no || steps[input.name].x", set()),
        ("'it\\'s steps.no' + steps.a.text", {"a"}),
    ],
)
def test_the_steps_that_an_expression_names_are_found(text: str, named: set[str]) -> None:
    assert steps_named(text) == named


def test_an_output_names_steps_that_there_are() -> None:
    with pytest.raises(ValidationError, match=r"output: found the result of z, expected .*: a"):
        workflow({"id": "a"}, output={"x": "${steps.z.result}"})


async def test_a_step_is_tried_as_often_as_it_says() -> None:
    step = {"id": "a", "retry": {"attempts": 3, "delaySeconds": 0}}
    assert (await finished(Tools(failures=2), workflow(step))).status is Status.SUCCEEDED
    run = await finished(Tools(failures=3), workflow(step, {"id": "b", "needs": ["a"]}))
    assert (run.status, run.steps["a"].attempts, run.steps["b"].status) == (Status.FAILED, 3, Status.SKIPPED)
    assert run.error == "down"


async def test_a_refused_step_never_reaches_its_tool_and_the_run_names_the_rule() -> None:
    tools = Tools()

    async def refuse_b(_: Phase, __: Subject, step: Step, *___: object) -> None:
        if step.id == "b":
            raise RefusedError("refused by rule 'x'")

    run = Engine(tools, refuse_b).start(workflow({"id": "a"}, {"id": "b", "needs": ["a"]}), {}, ALICE, None)
    assert run.task
    await run.task
    assert (run.status, run.error, len(tools.calls)) == (Status.REFUSED, "refused by rule 'x'", 1)


@pytest.mark.parametrize("answer", [{"text": "a SECRET"}, {"text": "a SECRET", "is_error": True}, MCPError])
async def test_a_result_that_the_policy_withholds_is_neither_a_value_nor_shown(answer: Any) -> None:  # noqa: ANN401
    seen: list[Mapping[str, Any]] = []

    async def tool(_: Call) -> CallToolResult:
        if answer is MCPError:
            raise MCPError(-32000, "failed", {"trace": ["a SECRET"]})
        text = TextContent(type="text", text=answer["text"])
        return CallToolResult(content=[text], is_error=answer.get("is_error", False))

    async def withhold(phase: Phase, _: Subject, __: Step, facts: Mapping[str, Any], ___: str) -> None:
        if phase is Phase.RESULT:
            seen.append(facts)
            raise RefusedError("refused by rule 'x'")

    step = {"id": "a", "retry": {"attempts": 3, "delaySeconds": 0}}
    run = Engine(tool, withhold).start(workflow(step, {"id": "b", "needs": ["a"]}), {}, ALICE, None)
    assert run.task
    await run.task
    assert (run.status, run.steps["a"].attempts, run.steps["b"].status) == (Status.REFUSED, 1, Status.SKIPPED)
    assert "SECRET" not in str(run)
    assert "SECRET" in seen[0]["text"]
    assert seen[0]["isError"] is (answer is MCPError or answer.get("is_error", False))


@pytest.mark.parametrize("output", ["${b'a'}", "${duration('1h')}", "${{1: 2}}"])
async def test_a_run_whose_output_is_no_json_has_failed(output: str) -> None:
    run = await finished(Tools(), workflow({"id": "a"}, output={"x": output}))
    assert (run.status, run.output) == (Status.FAILED, None)
    assert run.error.startswith("output: ")


async def test_a_moment_is_told_as_text() -> None:
    run = await finished(Tools(), workflow({"id": "a"}, output={"x": "${timestamp('2026-01-02T03:04:05Z')}"}))
    assert run.output == {"x": "2026-01-02T03:04:05+00:00"}


async def test_a_run_that_takes_too_long_is_ended() -> None:
    run = await finished(Tools(pause=5), workflow({"id": "a"}, timeoutSeconds=0.05))
    assert (run.status, run.steps["a"].status) == (Status.TIMED_OUT, Status.CANCELLED)


async def test_a_cancelled_run_cancels_its_tools() -> None:
    tools = Tools(pause=5)
    run = Engine(tools, allow).start(workflow({"id": "a"}), {}, ALICE, None)
    await asyncio.sleep(0.02)
    assert run.task
    run.task.cancel()
    await run.task
    assert (run.status, tools.running) == (Status.CANCELLED, 0)


async def test_a_run_cancelled_before_it_begins_is_over() -> None:
    engine = Engine(Tools(), allow)
    run = engine.start(workflow({"id": "a"}), {}, ALICE, None)
    assert run.task
    run.task.cancel()
    await asyncio.sleep(0.02)
    assert run.status is Status.CANCELLED


async def test_only_finished_runs_are_forgotten_the_oldest_first() -> None:
    engine = Engine(Tools(), allow, remembered=3)
    slow = Engine(Tools(pause=5), allow, remembered=3)
    running = [slow.start(workflow({"id": "a"}), {}, ALICE, None) for _ in range(5)]
    await asyncio.sleep(0.02)
    assert list(slow.runs) == [run.id for run in running]
    done = [engine.start(workflow({"id": "a"}), {}, ALICE, None) for _ in range(5)]
    await asyncio.gather(*(run.task for run in done if run.task))
    await asyncio.sleep(0)
    assert list(engine.runs) == [run.id for run in done[2:]]
    for run in running:
        assert run.task
        run.task.cancel()


async def test_of_finished_runs_no_more_is_remembered_than_may_be() -> None:
    engine = Engine(Tools(), allow, remembered_characters=10_000)
    given = workflow({"id": "a", "args": {"x": "${input.x}"}}, output={"x": "${steps.a.result}"})
    for _ in range(10):
        run = engine.start(given, {"x": "x" * 3000}, ALICE, None)
        assert run.task
        await run.task
        assert run.output == {"x": "x" * 3000}
    assert 0 < len(engine.runs) <= 3
    assert "x" * 3000 not in str([(run.input, run.steps) for run in engine.runs.values()])


async def test_more_runs_than_may_be_under_way_are_refused_until_one_is_over() -> None:
    engine = Engine(Tools(pause=5), allow)
    runs = [engine.start(workflow({"id": "a"}), {}, ALICE, None) for _ in range(MOST_AT_ONCE)]
    with pytest.raises(BusyError, match="come again later"):
        engine.start(workflow({"id": "a"}), {}, ALICE, None)
    await asyncio.sleep(0)
    assert runs[0].task
    runs[0].task.cancel()
    await runs[0].task
    runs[0] = engine.start(workflow({"id": "a"}), {}, ALICE, None)
    for run in runs:
        assert run.task
        run.task.cancel()


async def test_input_that_does_not_fit_starts_nothing() -> None:
    of = workflow({"id": "a"}, input={"type": "object", "required": ["n"]})
    with pytest.raises(InvalidInputError, match="'n' is a required property"):
        Engine(Tools(), allow).start(of, {}, ALICE, None)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (({"id": "a", "needs": ["b"]}, {"id": "b", "needs": ["a"]}), "need each other"),
        (({"id": "a", "needs": ["z"]},), "z, which is no step"),
        (({"id": "a"}, {"id": "a"}), "defined twice"),
        (({"id": "a", "args": {"x": "${outer.y}"}},), "outer is not available"),
        (({"id": "a", "args": {"x": "${steps.z.result}"}},), "result of z, expected .*: none"),
        (({"id": "a"}, {"id": "b", "args": {"x": ["${steps['a'].text}"]}}), "step b: found the result of a"),
        ((), "at least 1"),
    ],
)
def test_a_workflow_that_could_not_run_is_refused_before_it_takes_effect(
    steps: tuple[dict[str, Any], ...], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        workflow(*steps)


async def test_a_call_that_fails_in_a_way_of_its_own_quotes_nothing_that_no_rule_has_seen() -> None:
    async def broken(_: Call) -> CallToolResult:
        raise ValueError("b'a secret'")

    run = Engine(broken, allow).start(workflow({"id": "a"}), {}, ALICE, None)
    assert run.task
    await run.task
    assert (run.steps["a"].status, run.steps["a"].error) == (Status.FAILED, "not called: ValueError")
