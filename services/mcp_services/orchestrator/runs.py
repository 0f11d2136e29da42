"""Runs that outlive their process: a file each, in a folder that every pod of the orchestrator mounts.

Who runs one holds the lock (flock) on its file. The kernel lets go of it when the process ends, however it
ends, and another pod, or the same one anew, goes on with what is not over.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from mcp_services.core import exchange
from mcp_services.core.identity import Subject
from mcp_services.documents import Workflow
from mcp_services.orchestrator.run import NotKeptError, Run, Status, StepRun
from mcp_services.orchestrator.run_store import RunStore
from mcp_services.orchestrator.workflow import BusyError, Engine

_LOG = logging.getLogger(__name__)
_MOST_RUNNING = 256
_LOOK_SECONDS = 1.0
_CLEAN_SECONDS = 3600.0
_GRACE_SECONDS = 60.0


class DurableRuns:
    """Begins, adopts and finds runs of a store."""

    def __init__(
        self, folder: Path, engine: Engine, keep_seconds: float, reaches: Callable[[Iterable[str]], bool]
    ) -> None:
        """Run by `engine`; keep so long what is over; `reaches` tells whether MCP servers are connected."""
        self._store, self._engine, self._keep_seconds = RunStore(folder), engine, keep_seconds
        self._reaches, self._since = reaches, time.monotonic()
        self._mine: dict[str, Run] = {}
        self._leaving = False

    @contextlib.asynccontextmanager
    async def adopting(self) -> AsyncIterator[None]:
        """Look for runs that nobody has, while the block runs; then leave the own ones to others."""
        task = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._leaving = True
            running = [run.task for run in self._mine.values() if run.task]
            for one in (task, *running):
                one.cancel()
            await asyncio.gather(task, *running, return_exceptions=True)
            for run in tuple(self._mine.values()):
                # A write under way would come after those of whoever has the run next.
                async with run.writing:
                    self._store.release(run.id)

    async def begin(self, workflow: Workflow, given: Mapping[str, Any], subject: Subject) -> Run:
        """Begin a run that goes on without its caller.

        Raises:
            InvalidInputError: The input does not fit.
            NotKeptError: The folder cannot be written.
            BusyError: Too many are under way.
        """
        if len(self._mine) >= _MOST_RUNNING:
            raise BusyError(f"{_MOST_RUNNING} runs are under way")
        run = self._engine.new(workflow, given, subject)
        try:
            self._store.prepare()
            if not self._store.claim(run.id):
                raise NotKeptError("the run is not to be had")
        except OSError as error:
            raise NotKeptError(f"the run cannot be kept: {error}") from error
        with self._let_go(run.id):
            try:
                await self._keep(run)
            except NotKeptError:
                with contextlib.suppress(OSError):
                    self._store.clear(run.id)
                raise
        self._launch(run)
        return run

    @contextlib.contextmanager
    def _let_go(self, run_id: str) -> Iterator[None]:
        """Have a claimed run; what goes wrong in the block leaves it to whoever looks for it next."""
        try:
            yield
        except BaseException:
            self._store.release(run_id)
            raise

    def _launch(self, run: Run) -> None:
        run.keep = self._keep
        self._mine[run.id] = run
        self._engine.launch(run)

    async def state(self, run_id: str, subject: Subject) -> dict[str, Any]:
        """A run's state, whoever runs it.

        Raises:
            KeyError: `subject` has no such run.
            NotKeptError: The folder cannot be read.
        """
        try:
            found = await asyncio.to_thread(self._store.read, run_id)
        except OSError as error:
            raise NotKeptError(f"the run cannot be read: {error}") from error
        if found is None or (found["subject"]["kind"], found["subject"]["id"]) != subject.key:
            raise KeyError(run_id)
        shown: dict[str, Any] = found["shown"]
        return shown

    async def cancel(self, run_id: str, subject: Subject) -> dict[str, Any]:
        """Cancel a run, wherever it runs, and give its state: of another process's, that it still runs.

        Raises:
            KeyError, NotKeptError: As `state`.
        """
        shown = await self.state(run_id, subject)
        if run := self._mine.get(run_id):
            await run.cancel()
            return run.as_dict()
        if shown["status"] == Status.RUNNING:
            try:
                await asyncio.to_thread(self._store.ask_to_cancel, run_id)
            except OSError as error:
                raise NotKeptError(f"the run cannot be cancelled: {error}") from error
        return shown

    async def _keep(self, run: Run) -> None:
        # Not to be cancelled with its step: the thread would go on, and meet the next write in the same file.
        await asyncio.shield(self._write(run))

    async def _write(self, run: Run) -> None:
        async with run.writing:
            if self._leaving:
                return
            over = run.status is not Status.RUNNING
            try:
                await asyncio.to_thread(self._store.write, run.id, _written(run), over=over)
            except (OSError, TypeError) as error:
                # TypeError: JSON has no such value, such as an integer of more than 64 bits in the input.
                raise NotKeptError(f"the run cannot be kept: {error}") from error
            if over:
                self._mine.pop(run.id, None)
                self._store.release(run.id)

    async def _look(self) -> None:
        cleaned = float("-inf")
        while True:
            try:
                await asyncio.to_thread(self._store.prepare)
                await self._keep_what_is_over()
                for run_id in await asyncio.to_thread(self._store.to_cancel):
                    if (run := self._mine.get(run_id)) and run.task:
                        run.task.cancel()
                for run_id in await asyncio.to_thread(self._store.unfinished):
                    if run_id not in self._mine and len(self._mine) < _MOST_RUNNING:
                        await self._try_to_adopt(run_id)
                if time.monotonic() - cleaned > _CLEAN_SECONDS:
                    cleaned = time.monotonic()
                    await asyncio.to_thread(self._store.forget, self._keep_seconds)
            except Exception as error:  # noqa: BLE001 - the next look may find what this one did not
                _LOG.warning("runs not looked after", extra={"error": repr(error)})
            await asyncio.sleep(_LOOK_SECONDS)

    async def _keep_what_is_over(self) -> None:
        """Keep what could not be kept when it ended: until then it has a lock and a place."""
        for run in tuple(self._mine.values()):
            if run.task and run.task.done():
                with contextlib.suppress(NotKeptError):
                    await self._keep(run)

    async def _try_to_adopt(self, run_id: str) -> None:
        try:
            await self._adopt(run_id)
        except Exception as error:  # noqa: BLE001 - one that cannot be read must not keep the others waiting
            _LOG.warning("run not adopted", extra={"run": run_id, "error": repr(error)})

    async def _adopt(self, run_id: str) -> None:
        if not self._store.claim(run_id):
            return
        with self._let_go(run_id):
            found = await asyncio.to_thread(self._store.read, run_id)
            if found is None or found["shown"]["status"] != Status.RUNNING:
                # It ended between the look and the claim, or its process did between two steps of ending it.
                self._store.clear(run_id)
                self._store.release(run_id)
                return
            run = _read(found)
        young = time.monotonic() - self._since < _GRACE_SECONDS
        if young and not self._reaches({step.server for step in run.workflow.steps}):
            # After a start the MCP servers may need a moment; no step is to fail for that.
            self._store.release(run_id)
            return
        _LOG.info("run adopted", extra={"run": run.id, "workflow": run.workflow.name})
        exchange.begin(found["correlation"])
        self._launch(run)


def _written(run: Run) -> bytes:
    steps = {
        name: {"status": at.status.value, "attempts": at.attempts, "error": at.error, "value": at.value}
        for name, at in run.steps.items()
    }
    return orjson.dumps(
        {
            "shown": run.as_dict(),
            "workflow": run.workflow.model_dump(mode="json", by_alias=True),
            "subject": run.subject.as_dict(),
            "input": run.input,
            "steps": steps,
            "began": run.began,
            "correlation": exchange.current().correlation_id,
        }
    )


def _read(found: Mapping[str, Any]) -> Run:
    who = found["subject"]
    subject = Subject(who["id"], who["kind"], tuple(who["scopes"]), tuple(who["groups"]))
    steps = {
        name: StepRun(Status(at["status"]), at["attempts"], at["error"], at["value"])
        for name, at in found["steps"].items()
    }
    workflow = Workflow.model_validate(found["workflow"])
    return Run(workflow, subject, found["input"], id=found["shown"]["id"], steps=steps, began=found["began"])
