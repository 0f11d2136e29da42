"""The orchestrator as an MCP server: federated tools, and four tools for workflows."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)
from opentelemetry.trace import Span

from mcp_services import __version__
from mcp_services.core import exchange
from mcp_services.core.exchange import Exchange
from mcp_services.core.identity import Subject
from mcp_services.core.jsonrpc import UNAVAILABLE
from mcp_services.documents import Workflow, WorkflowsDocument
from mcp_services.orchestrator.federation import (
    SEPARATOR,
    Call,
    Federation,
    NotConnectedError,
    ToolUnavailableError,
)
from mcp_services.orchestrator.run import NotKeptError, Run, Status
from mcp_services.orchestrator.runs import DurableRuns
from mcp_services.orchestrator.workflow import BusyError, Engine, InvalidInputError

SUBJECT_KEY, EXCHANGE_KEY = "mcp_services.subject", "mcp_services.exchange"
"""Where the HTTP layer leaves caller and exchange in the ASGI scope."""

_RUN_ID = {"type": "object", "properties": {"run": {"type": "string"}}, "required": ["run"]}
WORKFLOW_TOOLS = (
    Tool(
        name="workflow_run",
        description="Runs a workflow to its end and gives its result.",
        input_schema={
            "type": "object",
            "properties": {
                "workflow": {"type": "string"},
                "input": {"type": "object"},
                "async": {
                    "type": "boolean",
                    "description": "Give the run's id at once; ask workflow_status.",
                },
            },
            "required": ["workflow"],
        },
    ),
    Tool(name="workflow_status", description="State of a run.", input_schema=_RUN_ID),
    Tool(name="workflow_cancel", description="Cancels a run and gives its state.", input_schema=_RUN_ID),
    Tool(name="workflow_list", description="The workflows there are.", input_schema={"type": "object"}),
)


def result_of(value: Mapping[str, Any], *, is_error: bool = False) -> CallToolResult:
    """A tool result with structured content and the same as text."""
    text = TextContent(type="text", text=json.dumps(value))
    return CallToolResult(content=[text], structured_content=dict(value), is_error=is_error)


def failed(message: str) -> CallToolResult:
    """A tool result that says what went wrong, so that a model can react."""
    return CallToolResult(content=[TextContent(type="text", text=message)], is_error=True)


class NoStoreError(Exception):
    """Asynchronous runs are not configured."""


class Orchestrator:
    """What the tools do; the REST interface calls the same."""

    def __init__(
        self,
        federation: Federation,
        engine: Engine,
        workflows: Callable[[], WorkflowsDocument],
        durable: DurableRuns | None = None,
    ) -> None:
        """Work with the workflows of the moment; runs are asynchronous where `durable` keeps them."""
        self.federation, self.engine, self._workflows = federation, engine, workflows
        self._durable = durable

    def listed(self) -> list[dict[str, Any]]:
        """The workflows there are."""
        return [
            {"name": one.name, "description": one.description, "input": one.input}
            for one in self._workflows().workflows
        ]

    def begin(self, name: str, given: Any, subject: Subject, heard: Any = None) -> Run:  # noqa: ANN401
        """Begin a run.

        Raises:
            KeyError: No such workflow.
            InvalidInputError: The input does not fit.
            BusyError: Too many are under way.
        """
        return self.engine.start(*self._fitting(name, given), subject, heard)

    def _fitting(self, name: str, given: Any) -> tuple[Workflow, dict[str, Any]]:  # noqa: ANN401
        found = {one.name: one for one in self._workflows().workflows}[name]
        if not isinstance(given, dict):
            raise InvalidInputError("input must be an object")
        return found, given

    async def begin_durable(self, name: str, given: Any, subject: Subject) -> Run:  # noqa: ANN401
        """Begin a run that outlives its caller and this process.

        Raises:
            NoStoreError: No folder is configured for such runs.
            NotKeptError: It cannot be written.
            KeyError, InvalidInputError, BusyError: As `begin`.
        """
        if self._durable is None:
            raise NoStoreError("asynchronous runs need a store, and none is configured")
        return await self._durable.begin(*self._fitting(name, given), subject)

    async def finish(self, run: Run) -> dict[str, Any]:
        """Wait for a run; when the waiting is cancelled, so is the run."""
        assert run.task is not None  # noqa: S101 - set by start()
        try:
            await run.task
        except BaseException:
            run.task.cancel()
            raise
        return run.as_dict()

    async def state(self, run_id: str, subject: Subject) -> dict[str, Any]:
        """The state of a run that `subject` began: of this process, or one that is kept.

        Raises:
            KeyError: There is none.
        """
        run = self.engine.runs.get(run_id)
        if run and run.subject.key == subject.key:
            return run.as_dict()
        if self._durable is None:
            raise KeyError(run_id)
        return await self._durable.state(run_id, subject)

    async def cancel(self, run_id: str, subject: Subject) -> dict[str, Any]:
        """Cancel a run and give its state, also where it was over before; raises as `state` does."""
        run = self.engine.runs.get(run_id)
        if run and run.subject.key == subject.key:
            await run.cancel()
            return run.as_dict()
        if self._durable is None:
            raise KeyError(run_id)
        return await self._durable.cancel(run_id, subject)

    async def call(
        self, ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams
    ) -> CallToolResult:
        """Answer `tools/call`."""
        scope = ctx.request.scope if ctx.request is not None else {}
        subject: Subject = scope[SUBJECT_KEY]
        at: Exchange = scope[EXCHANGE_KEY]
        # The legacy transport answers in a task that knows nothing of the request's.
        exchange.resume(at)
        args = params.arguments or {}
        if SEPARATOR in params.name:
            return await self.federated(params.name, args)
        return await self._workflow_tool(params.name, args, subject, ctx)

    async def federated(self, name: str, args: dict[str, Any], inside: Span | None = None) -> CallToolResult:
        """Call a tool of an MCP server, under a span of its own or `inside` that of the request.

        Raises:
            MCPError: There is none of that name, its server is not reached, or answered with an error.
        """
        server, _, tool = name.partition(SEPARATOR)
        try:
            return await self.federation.call(Call(server, tool, args), inside)
        except NotConnectedError as error:
            raise MCPError(UNAVAILABLE, str(error)) from error
        except ToolUnavailableError as error:
            raise MCPError(INVALID_PARAMS, str(error)) from error
        except TimeoutError:
            return failed(f"{name} did not answer in time")

    async def _workflow_tool(
        self, name: str, args: Mapping[str, Any], subject: Subject, ctx: ServerRequestContext[Any, Any]
    ) -> CallToolResult:
        async def heard(run: Run) -> None:
            over = sum(step.status not in {Status.WAITING, Status.RUNNING} for step in run.steps.values())
            await ctx.session.report_progress(over, len(run.steps), f"{over} of {len(run.steps)} steps")

        shown: dict[str, Any]
        try:
            match name:
                case "workflow_list":
                    shown = {"workflows": self.listed()}
                case "workflow_run" if args.get("async") is True:
                    run = await self.begin_durable(str(args["workflow"]), args.get("input", {}), subject)
                    shown = run.as_dict()
                case "workflow_run":
                    run = self.begin(str(args["workflow"]), args.get("input", {}), subject, heard)
                    shown = await self.finish(run)
                    return result_of(shown, is_error=run.status is not Status.SUCCEEDED)
                case "workflow_status":
                    shown = await self.state(str(args["run"]), subject)
                case "workflow_cancel":
                    shown = await self.cancel(str(args["run"]), subject)
                case _:
                    raise MCPError(INVALID_PARAMS, f"no tool {name}")
            return result_of(shown)
        except KeyError as error:
            said = f"unknown or missing: {error}"
        except InvalidInputError as error:
            said = f"invalid input: {error}"
        except (NoStoreError, NotKeptError, BusyError) as error:
            said = str(error)
        return failed(said)

    async def list_tools(
        self, _: ServerRequestContext[Any, Any], __: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """Answer `tools/list`."""
        return ListToolsResult(
            tools=[*WORKFLOW_TOOLS, *self.federation.tools()], ttl_ms=0, cache_scope="private"
        )

    def schema(self, name: str) -> Mapping[str, Any] | None:
        """The input schema of a tool of which arguments come in headers too; those of workflows are none."""
        return self.federation.schema_with_headers(name)

    def mcp_server(self) -> Server[Any]:
        """The SDK's server."""
        server: Server[Any] = Server(
            "a1platform",
            version=__version__,
            on_list_tools=self.list_tools,
            on_call_tool=self.call,
            # Without it the SDK lists all tools on each call.
            get_tool_input_schema=self.schema,
        )
        # Its tracing takes the parent from `_meta`, past gateway and policy; ours takes it from the request.
        server.middleware.clear()
        return server
