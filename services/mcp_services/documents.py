"""The documents that configure the services: their shape and what makes one valid."""

from collections.abc import Iterator
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Self

from jsonschema import Draft202012Validator, SchemaError
from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from mcp_services.expressions import check_expression, expressions, steps_named

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
PositiveSeconds = Annotated[float, Field(gt=0, le=3600)]


class Document(BaseModel):
    """Base of all: frozen, camelCase, no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Limits(Document):
    """What one gateway pod lets through.

    Attributes:
        requests_per_second: Refill of each subject's token bucket.
        burst: Its size.
        concurrency: Requests at once, of all subjects.
        subject_concurrency: Requests at once of each subject, so that a slow tool of one leaves room for the
            others; absent: half of `concurrency`.
    """

    requests_per_second: float = Field(default=50, gt=0)
    burst: int = Field(default=100, gt=0)
    concurrency: int = Field(default=256, gt=0)
    subject_concurrency: int | None = Field(default=None, gt=0)

    @property
    def share(self) -> int:
        """Requests at once of each subject."""
        return self.subject_concurrency or max(1, self.concurrency // 2)


class GatewayDocument(Document):
    """`gateway.yaml`.

    Attributes:
        hosts: Accepted `Host` names without port; `*` accepts any.
        origins: Accepted `Origin` values; a request without one (not a browser) is always accepted.
        limits: See `Limits`.
    """

    hosts: tuple[str, ...] = ("localhost", "127.0.0.1")
    origins: tuple[str, ...] = ()
    limits: Limits = Limits()


class Phase(StrEnum):
    """When a rule is asked: which tools are shown, which call is made, which result is given back."""

    LIST = "list"
    CALL = "call"
    RESULT = "result"


class Effect(StrEnum):
    """What a matching rule does; a denial outweighs every allowance."""

    ALLOW = "allow"
    DENY = "deny"


VARIABLES = {
    Phase.LIST: {"subject", "tool", "phase"},
    Phase.CALL: {"subject", "tool", "phase", "args", "workflow"},
    Phase.RESULT: {"subject", "tool", "phase", "result"},
}
"""What an expression may name in each phase. A field that is absent in a phase would deny everything."""


class Rule(Document):
    """One policy rule.

    Attributes:
        name: Given in refusals, audit lines and metrics.
        phases: When it is asked.
        effect: See `Effect`.
        tools: Globs over tool names such as `example__*`.
        when: CEL expression that must be true; names of `VARIABLES`.
        dry_run: Logged and counted, without effect.
    """

    name: Name
    phases: tuple[Phase, ...] = Field(default=(Phase.LIST, Phase.CALL), min_length=1)
    effect: Effect = Effect.ALLOW
    tools: tuple[str, ...] = Field(default=("*",), min_length=1)
    when: str = "true"
    dry_run: bool = False

    @model_validator(mode="after")
    def _expression_fits_phases(self) -> Self:
        for phase in self.phases:
            check_expression(self.when, VARIABLES[phase], f"rule {self.name} in phase {phase}")
        return self


class PoliciesDocument(Document):
    """`policies.yaml`: what no rule allows is refused by `default-deny`.

    Attributes:
        dry_run: Nothing is refused; what would have been is logged and counted.
        rules: In any order.
    """

    dry_run: bool = False
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        _distinct("rule", (rule.name for rule in self.rules))
        return self


class McpServer(Document):
    """An MCP server whose tools are offered as `name__tool`."""

    name: Name
    url: AnyHttpUrl
    timeout_seconds: PositiveSeconds = 30


class ServersDocument(Document):
    """`servers.yaml`."""

    servers: tuple[McpServer, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        _distinct("server", (server.name for server in self.servers))
        return self


class Retry(Document):
    """How often a failed step is tried in all, and the pause before each further try."""

    attempts: int = Field(default=1, ge=1, le=10)
    delay_seconds: float = Field(default=0.2, ge=0, le=60)


class Step(Document):
    """One tool call of a workflow.

    Attributes:
        id: Its name in `needs` and in expressions.
        server: Name in `servers.yaml`.
        tool: The server's own name of the tool.
        args: Arguments; a string that is wholly `${...}` is a CEL expression over `input` and over `steps`,
            the results of those that it needs, and of those that they need.
        needs: Steps that must have succeeded before.
        timeout_seconds: For each try.
        retry: See `Retry`.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    server: Name
    tool: str
    args: dict[str, Any] = {}
    needs: tuple[str, ...] = ()
    timeout_seconds: PositiveSeconds = 30
    retry: Retry = Retry()


class Workflow(Document):
    """A directed acyclic graph of steps.

    Attributes:
        name: Unique name.
        description: For people and models.
        input: JSON Schema of the input.
        steps: Run as soon as what they need has succeeded, in parallel where nothing forbids it.
        output: Templates like `args`, over the results of all steps; absent: those.
        timeout_seconds: For the whole run.
    """

    name: Name
    description: str = ""
    input: dict[str, Any] = {"type": "object"}
    steps: tuple[Step, ...] = Field(min_length=1)
    output: dict[str, Any] | None = None
    timeout_seconds: PositiveSeconds = 300

    @model_validator(mode="after")
    def _is_a_graph(self) -> Self:
        _distinct("step", (step.id for step in self.steps))
        known = {step.id for step in self.steps}
        for step in self.steps:
            if unknown := set(step.needs) - known:
                raise ValueError(f"step {step.id} needs {', '.join(sorted(unknown))}, which is no step")
        try:
            tuple(TopologicalSorter({step.id: step.needs for step in self.steps}).static_order())
        except CycleError as error:
            raise ValueError(f"steps need each other: {' -> '.join(error.args[1])}") from error
        try:
            Draft202012Validator.check_schema(self.input)
        except SchemaError as error:
            raise ValueError(f"input is no JSON Schema: {error.message}") from error
        return self

    @model_validator(mode="after")
    def _expressions_name_what_is_there(self) -> Self:
        for step in self.steps:
            _check_template(step.args, self.needed(step), f"step {step.id}")
        _check_template(self.output or {}, {step.id for step in self.steps}, "output")
        return self

    def needed(self, step: Step) -> set[str]:
        """The steps that have succeeded when `step` runs: those that it needs, and those that they need."""
        needs = {one.id: one.needs for one in self.steps}
        found: set[str] = set()
        pending = list(step.needs)
        while pending:
            if (name := pending.pop()) not in found:
                found.add(name)
                pending.extend(needs[name])
        return found


class WorkflowsDocument(Document):
    """`workflows.yaml`."""

    workflows: tuple[Workflow, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        _distinct("workflow", (workflow.name for workflow in self.workflows))
        return self


SCOPES: dict[str, type[Document]] = {
    "gateway": GatewayDocument,
    "policies": PoliciesDocument,
    "servers": ServersDocument,
    "workflows": WorkflowsDocument,
}
"""Every document by the stem of its file."""


def _check_template(template: object, steps: set[str], where: str) -> None:
    for text in expressions(template):
        check_expression(text, {"input", "steps"}, where)
        if unknown := steps_named(text) - steps:
            raise ValueError(
                f"{where}: found the result of {', '.join(sorted(unknown))}, "
                f"expected one of the steps that it needs: {', '.join(sorted(steps)) or 'none'}"
            )


def _distinct(kind: str, names: Iterator[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{kind} {name} is defined twice")
        seen.add(name)
