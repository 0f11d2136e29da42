"""The state of one run of a workflow."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mcp_services.core.identity import Subject
from mcp_services.documents import Workflow

_END_SECONDS = 5.0


class Status(StrEnum):
    """State of a run or a step."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class NotKeptError(Exception):
    """The state of a run that is to outlive its process cannot be written."""


Listener = Callable[["Run"], Awaitable[None]]


@dataclass
class StepRun:
    """State of one step."""

    status: Status = Status.WAITING
    attempts: int = 0
    error: str = ""
    value: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        shown: dict[str, Any] = {"status": self.status.value, "attempts": self.attempts}
        if self.error:
            shown["error"] = self.error
        return shown


@dataclass
class Run:
    """State of one run.

    Attributes:
        keep: Awaited before each call of a tool, after each step and at the end, where the run is to outlive
            its process; what it raises ends the run.
        writing: Held from the look at a state to its end on disk, so that an older one follows no newer.
    """

    workflow: Workflow
    subject: Subject
    input: Mapping[str, Any]
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    status: Status = Status.RUNNING
    steps: dict[str, StepRun] = field(default_factory=dict)
    output: Any = None
    error: str = ""
    seconds: float = 0.0
    began: float = field(default_factory=time.time)
    keep: Listener | None = None
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: asyncio.Task[None] | None = None

    async def kept(self) -> None:
        """Keep the run, if it is one to be kept."""
        if self.keep:
            await self.keep(self)

    async def cancel(self) -> None:
        """Cancel it, and give it a moment to end; one that is over stays as it is."""
        if self.task:
            self.task.cancel()
            await asyncio.wait({self.task}, timeout=_END_SECONDS)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "id": self.id,
            "workflow": self.workflow.name,
            "status": self.status.value,
            "steps": {name: step.as_dict() for name, step in self.steps.items()},
            "output": self.output,
            "error": self.error or None,
            "seconds": round(self.seconds, 4),
        }
