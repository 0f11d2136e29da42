"""Runs a workflow: each step as soon as what it needs has succeeded, each decided on before it runs."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import cel
import orjson
from jsonschema import Draft202012Validator
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult

from mcp_services.core import metrics, results
from mcp_services.core.identity import Subject
from mcp_services.documents import Phase, Step, Workflow
from mcp_services.expressions import expression
from mcp_services.orchestrator.federation import Call, ToolUnavailableError
from mcp_services.orchestrator.run import Listener, NotKeptError, Run, Status, StepRun


class RefusedError(Exception):
    """The policy refuses a step; the message names the rule."""


class BusyError(Exception):
    """As many runs as may be are under way here."""


class InvalidInputError(ValueError):
    """The input does not fit the workflow's schema."""


Caller = Callable[[Call], Awaitable[CallToolResult]]
Decider = Callable[[Phase, Subject, Step, Mapping[str, Any], str], Awaitable[None]]
"""Raises RefusedError unless the step may run with these arguments, or its result of these facts may be used;
no answer in time counts as a refusal."""
MOST_AT_ONCE = 256
"""Synchronous runs under way in one process."""
_OVER = {Status.SUCCEEDED, Status.FAILED, Status.REFUSED, Status.SKIPPED}


def render(template: Any, facts: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """A template with its `${...}` strings evaluated."""
    if (text := expression(template)) is not None:
        return cel.evaluate(text, dict(facts))
    if isinstance(template, dict):
        return {key: render(value, facts) for key, value in template.items()}
    if isinstance(template, list):
        return [render(value, facts) for value in template]
    return template


def value_of(result: CallToolResult) -> dict[str, Any]:
    """What expressions see of a step: its structured content, and its text as `text`."""
    text = "\n".join(part.text for part in result.content if part.type == "text")
    structured = result.structured_content
    return {"text": text, "result": text} | (structured if isinstance(structured, dict) else {})


class Engine:
    """Runs workflows and remembers the running and the latest finished ones of this process."""

    def __init__(
        self, call: Caller, decide: Decider, remembered: int = 1000, remembered_characters: int = 32 * 2**20
    ) -> None:
        """Call tools by `call`, each after `decide`; remember so many finished runs of so many characters."""
        self._call, self._decide = call, decide
        self._remembered, self._characters = remembered, remembered_characters
        self._finished: OrderedDict[str, int] = OrderedDict()
        self.runs: dict[str, Run] = {}

    def start(
        self, workflow: Workflow, given: Mapping[str, Any], subject: Subject, heard: Listener | None
    ) -> Run:
        """Begin a run; `heard` is called after each step.

        Raises:
            InvalidInputError: The input does not fit.
            BusyError: Too many are under way.
        """
        if sum(one.status is Status.RUNNING and not one.keep for one in self.runs.values()) >= MOST_AT_ONCE:
            raise BusyError(f"{MOST_AT_ONCE} runs are under way; come again later")
        run = self.new(workflow, given, subject)
        self.launch(run, heard)
        return run

    def new(self, workflow: Workflow, given: Mapping[str, Any], subject: Subject) -> Run:
        """A run that has not begun; raises InvalidInputError as `start` does."""
        faults = [error.message for error in Draft202012Validator(workflow.input).iter_errors(given)]
        if faults:
            raise InvalidInputError("; ".join(faults))
        return Run(workflow, subject, given, steps={step.id: StepRun() for step in workflow.steps})

    def launch(self, run: Run, heard: Listener | None = None) -> None:
        """Begin a run, or go on with one whose process has ended: what is over is not done again."""
        self.runs[run.id] = run
        run.task = asyncio.create_task(self._drive(run, heard))
        run.task.add_done_callback(lambda _: self._finish(run))

    async def _drive(self, run: Run, heard: Listener | None) -> None:
        begun = time.perf_counter()
        metrics.WORKFLOW_ACTIVE.inc()
        try:
            left = run.workflow.timeout_seconds - (time.time() - run.began)
            async with asyncio.timeout(max(0.0, left)):
                await self._steps(run, heard)
            bad = [step.status for step in run.steps.values() if step.status is not Status.SUCCEEDED]
            if bad:
                run.status = Status.REFUSED if Status.REFUSED in bad else Status.FAILED
                run.error = next(step.error for step in run.steps.values() if step.error)
            else:
                values = {name: step.value for name, step in run.steps.items()}
                facts = {"input": run.input, "steps": values}
                output = values if run.workflow.output is None else render(run.workflow.output, facts)
                # CEL has values that JSON lacks: what cannot be told is no success.
                run.output = orjson.loads(orjson.dumps(output))
                run.status = Status.SUCCEEDED
        except TimeoutError:
            run.status, run.error = Status.TIMED_OUT, f"not done in {run.workflow.timeout_seconds} s"
        except asyncio.CancelledError:
            run.status, run.error = Status.CANCELLED, "cancelled"
        except Exception as error:  # noqa: BLE001 - an expression may fail in any way; the run says so
            run.status, run.error = Status.FAILED, f"output: {error}"
        finally:
            for step in run.steps.values():
                if step.status in {Status.RUNNING, Status.WAITING}:
                    step.status = Status.CANCELLED
            run.seconds = time.perf_counter() - begun
            metrics.WORKFLOW_ACTIVE.dec()
            metrics.WORKFLOW_RUNS.labels(run.workflow.name, run.status.value).inc()
            metrics.WORKFLOW_DURATION.labels(run.workflow.name).observe(run.seconds)
        with contextlib.suppress(NotKeptError):
            # Its keeper tries again; who has the folder next finds the run as it was kept last.
            await run.kept()

    def _finish(self, run: Run) -> None:
        """Remember of a run what can be asked for, and forget the oldest over the limits."""
        if run.status is Status.RUNNING:
            # Cancelled before it had begun: nothing of it ever ran.
            run.status, run.error = Status.CANCELLED, "cancelled"
        run.input = {}
        for step in run.steps.values():
            step.value = {}
        self._finished[run.id] = len(str(run.as_dict()))
        while len(self._finished) > self._remembered or sum(self._finished.values()) > self._characters:
            oldest, _ = self._finished.popitem(last=False)
            self.runs.pop(oldest, None)

    async def _steps(self, run: Run, heard: Listener | None) -> None:
        done = {step.id: asyncio.Event() for step in run.workflow.steps}

        async def one(step: Step) -> None:
            for need in step.needs:
                await done[need].wait()
            at = run.steps[step.id]
            if at.status in _OVER:
                done[step.id].set()
                return
            if any(run.steps[need].status is not Status.SUCCEEDED for need in step.needs):
                at.status = Status.SKIPPED
            else:
                await self._step(run, step, at)
            try:
                await run.kept()
            except NotKeptError as error:
                at.status, at.error = Status.FAILED, str(error)
            done[step.id].set()
            if heard:
                await heard(run)

        async with asyncio.TaskGroup() as group:
            for step in run.workflow.steps:
                group.create_task(one(step))

    async def _step(self, run: Run, step: Step, at: StepRun) -> None:
        if at.status is Status.RUNNING:
            at.error = "interrupted: it may have run, and has no try left"
        at.status = Status.RUNNING
        args: Any = None
        try:
            values = {name: run.steps[name].value for name in run.workflow.needed(step)}
            args = render(step.args, {"input": run.input, "steps": values})
            while at.attempts < step.retry.attempts:
                if at.attempts:
                    await asyncio.sleep(step.retry.delay_seconds)
                at.attempts += 1
                await self._decide(Phase.CALL, run.subject, step, args, run.workflow.name)
                await run.kept()
                if await self._called(run, step, args, at):
                    return
            at.status = Status.FAILED
        except RefusedError as error:
            at.status, at.error = Status.REFUSED, str(error)
        except NotKeptError as error:
            at.status, at.error = Status.FAILED, str(error)
        except Exception as error:  # noqa: BLE001 - an expression may fail in any way; the step says so
            # What else fails may quote an answer, which no rule has seen.
            why = f"arguments: {error}" if args is None else f"not called: {type(error).__name__}"
            at.status, at.error = Status.FAILED, why

    async def _called(self, run: Run, step: Step, args: Mapping[str, Any], at: StepRun) -> bool:
        try:
            result = await self._call(Call(step.server, step.tool, args, step.timeout_seconds))
        except MCPError as error:
            await self._may_use(run, step, {"error": error.error.model_dump(mode="json")})
            at.error = str(error)
            return False
        except (ToolUnavailableError, TimeoutError) as error:
            at.error = str(error) or f"no answer in {step.timeout_seconds} s"
            return False
        await self._may_use(run, step, {"result": result.model_dump(mode="json", by_alias=True)})
        at.value = value_of(result)
        if result.is_error:
            at.error = at.value["text"]
            return False
        at.status, at.error = Status.SUCCEEDED, ""
        return True

    async def _may_use(self, run: Run, step: Step, answer: Mapping[str, Any]) -> None:
        facts = results.facts(answer, size=len(orjson.dumps(answer)))
        await self._decide(Phase.RESULT, run.subject, step, facts, run.workflow.name)
