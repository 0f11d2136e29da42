"""Runs that outlive their process."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp_services.core.identity import Subject
from mcp_services.documents import Workflow
from mcp_services.orchestrator.federation import Call
from mcp_services.orchestrator.run import NotKeptError, Run
from mcp_services.orchestrator.run_store import RunStore
from mcp_services.orchestrator.runs import DurableRuns
from mcp_services.orchestrator.workflow import Engine
from mcp_types import CallToolResult, TextContent

ALICE, BOB = Subject("alice", "user"), Subject("bob", "user")


class Tools:
    """Answers once it is let, and counts."""

    def __init__(self, *stuck: str) -> None:
        """Never answer calls of these tools."""
        self.calls: list[str] = []
        self.connected = True
        self._stuck = stuck

    async def __call__(self, call: Call) -> CallToolResult:
        """Answer a call."""
        self.calls.append(call.tool)
        if call.tool in self._stuck:
            await asyncio.sleep(60)
        return CallToolResult(content=[TextContent(type="text", text=call.tool)])


async def allow(*_: object) -> None:
    return None


@asynccontextmanager
async def process(folder: Path, tools: Tools) -> AsyncIterator[DurableRuns]:
    """A process of the orchestrator."""
    runs = DurableRuns(folder, Engine(tools, allow), 3600, lambda _: tools.connected)
    async with runs.adopting():
        yield runs


def workflow(attempts: int = 1) -> Workflow:
    """Two steps, of which the second may be tried so often."""
    retry = {"attempts": attempts, "delaySeconds": 0}
    steps = [
        {"id": "first", "server": "s", "tool": "one"},
        {"id": "second", "server": "s", "tool": "two", "needs": ["first"], "retry": retry},
    ]
    return Workflow.model_validate({"name": "w", "steps": steps})


async def over(runs: DurableRuns, run: Run, seconds: float = 10.0) -> dict[str, Any]:
    """The state of a run once it is over."""
    deadline = time.monotonic() + seconds
    while True:
        state = await runs.state(run.id, ALICE)
        if state["status"] != "running" or time.monotonic() > deadline:
            return state
        await asyncio.sleep(0.05)


async def forgotten(runs: DurableRuns, seconds: float = 10.0) -> bool:
    """Whether nothing is kept of runs that are over, which comes a moment after their state can be read."""
    deadline = time.monotonic() + seconds
    while (runs._mine or runs._store._locks) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    return not (runs._mine or runs._store._locks)


async def begun(runs: DurableRuns, tools: Tools, of: Workflow) -> Run:
    """A run that is stuck in its second step."""
    run = await runs.begin(of, {}, ALICE)
    while "two" not in tools.calls:
        await asyncio.sleep(0.01)
    return run


async def test_another_process_goes_on_with_what_is_not_over_and_does_nothing_twice(tmp_path: Path) -> None:
    stuck, free = Tools("two"), Tools()
    async with process(tmp_path, stuck) as runs:
        run = await begun(runs, stuck, workflow(attempts=2))
    async with process(tmp_path, free) as runs:
        state = await over(runs, run)
    assert (state["status"], stuck.calls, free.calls) == ("succeeded", ["one", "two"], ["two"])
    assert state["steps"]["second"] == {"status": "succeeded", "attempts": 2}


async def test_an_interrupted_step_that_has_no_try_left_is_not_tried_again(tmp_path: Path) -> None:
    stuck, free = Tools("two"), Tools()
    async with process(tmp_path, stuck) as runs:
        run = await begun(runs, stuck, workflow())
    async with process(tmp_path, free) as runs:
        state = await over(runs, run)
    assert (state["status"], free.calls) == ("failed", [])
    assert "may have run" in state["error"]


async def test_a_run_is_gone_on_with_once_its_servers_are_reached(tmp_path: Path) -> None:
    stuck, free = Tools("two"), Tools()
    free.connected = False
    async with process(tmp_path, stuck) as runs:
        run = await begun(runs, stuck, workflow(attempts=2))
    async with process(tmp_path, free) as runs:
        await asyncio.sleep(1.2)
        assert (await runs.state(run.id, ALICE))["status"] == "running"
        free.connected = True
        assert (await over(runs, run))["status"] == "succeeded"


async def test_a_run_that_a_process_has_is_nobody_elses_and_can_be_cancelled_from_anywhere(
    tmp_path: Path,
) -> None:
    first, second = Tools("two"), Tools()
    async with process(tmp_path, first) as has, process(tmp_path, second) as other:
        run = await begun(has, first, workflow(attempts=5))
        await asyncio.sleep(1.5)
        assert second.calls == []
        with pytest.raises(KeyError):
            await other.cancel(run.id, BOB)
        await other.cancel(run.id, ALICE)
        assert (await over(other, run))["status"] == "cancelled"
    assert [path.name for path in (tmp_path / "running").iterdir()] == []


async def test_whoever_cancels_is_told_how_the_run_is(tmp_path: Path) -> None:
    first, second = Tools("two"), Tools()
    async with process(tmp_path, first) as has, process(tmp_path, second) as other:
        run = await begun(has, first, workflow())
        assert (await other.cancel(run.id, ALICE))["status"] == "running"
        assert (await has.cancel(run.id, ALICE))["status"] == "cancelled"
        done = await other.begin(workflow(), {}, ALICE)
        assert (await over(other, done))["status"] == "succeeded"
        for runs in (has, other):
            assert (await runs.cancel(done.id, ALICE))["status"] == "succeeded"


async def test_a_run_whose_output_is_no_json_ends_and_leaves_neither_lock_nor_file(tmp_path: Path) -> None:
    steps = [{"id": "a", "server": "s", "tool": "one"}]
    of = Workflow.model_validate({"name": "w", "steps": steps, "output": {"x": "${b'a'}"}})
    async with process(tmp_path, Tools()) as runs:
        state = await over(runs, await runs.begin(of, {}, ALICE))
        assert (state["status"], state["output"]) == ("failed", None)
        assert await forgotten(runs)
    assert list((tmp_path / "running").iterdir()) == []


async def test_an_input_that_cannot_be_kept_begins_nothing(tmp_path: Path) -> None:
    async with process(tmp_path, Tools()) as runs:
        with pytest.raises(NotKeptError, match="64-bit"):
            await runs.begin(workflow(), {"n": 2**70}, ALICE)
        assert runs._store._locks == {}


async def test_an_end_that_could_not_be_kept_is_kept_as_soon_as_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, full = RunStore.write, [True]

    def filled(store: RunStore, run_id: str, content: bytes, *, over: bool) -> None:
        if over and full:
            raise OSError(28, "No space left on device")
        write(store, run_id, content, over=over)

    monkeypatch.setattr(RunStore, "write", filled)
    async with process(tmp_path, Tools()) as runs:
        run = await runs.begin(workflow(), {}, ALICE)
        assert run.task
        await run.task
        assert (await runs.state(run.id, ALICE))["status"] == "running"
        full.clear()
        assert (await over(runs, run))["status"] == "succeeded"
        assert await forgotten(runs)


async def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with process(tmp_path / "file", Tools()) as runs:
        with pytest.raises(NotKeptError, match="cannot be kept"):
            await runs.begin(workflow(), {}, ALICE)
        with pytest.raises(NotKeptError, match="cannot be read"):
            await runs.state("0" * 24, ALICE)


async def test_steps_at_once_keep_their_run_one_after_the_other_and_the_newest_state_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, writing = RunStore.write, threading.Lock()
    met = []

    def slow(store: RunStore, run_id: str, content: bytes, *, over: bool) -> None:
        met.append(writing.acquire(blocking=False))
        time.sleep(0.01)
        write(store, run_id, content, over=over)
        if met[-1]:
            writing.release()

    monkeypatch.setattr(RunStore, "write", slow)
    steps = [{"id": f"s{n}", "server": "s", "tool": "t"} for n in range(16)]
    async with process(tmp_path, Tools()) as runs:
        run = await runs.begin(Workflow.model_validate({"name": "w", "steps": steps}), {}, ALICE)
        state = await over(runs, run)
    assert all(met)
    assert state["status"] == "succeeded"
    assert {step["status"] for step in state["steps"].values()} == {"succeeded"}


async def test_a_run_that_is_cancelled_while_it_is_written_is_kept_as_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, under_way = RunStore.write, asyncio.Event()
    loop, slowly = asyncio.get_running_loop(), [True]

    def slow(store: RunStore, run_id: str, content: bytes, *, over: bool) -> None:
        if b"two" in content and slowly and not over and tools.calls:
            slowly.clear()
            loop.call_soon_threadsafe(under_way.set)
            time.sleep(0.3)
        write(store, run_id, content, over=over)

    monkeypatch.setattr(RunStore, "write", slow)
    tools = Tools("two")
    async with process(tmp_path, tools) as runs:
        run = await runs.begin(workflow(), {}, ALICE)
        await asyncio.wait_for(under_way.wait(), 5)
        await runs.cancel(run.id, ALICE)
        assert (await over(runs, run))["status"] == "cancelled"
        await asyncio.sleep(0.5)
        assert list((tmp_path / "running").iterdir()) == []


async def test_a_run_that_cannot_be_begun_leaves_neither_lock_nor_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    async with process(tmp_path, Tools()) as runs:
        files = len(list(Path("/proc/self/fd").iterdir()))
        with monkeypatch.context() as patched:
            patched.setattr(RunStore, "write", full)
            for _ in range(5):
                with pytest.raises(NotKeptError, match="No space left"):
                    await runs.begin(workflow(), {}, ALICE)
        assert len(list(Path("/proc/self/fd").iterdir())) == files
        assert list((tmp_path / "running").iterdir()) == []


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"shown": {"status": "running"}}'])
async def test_a_run_that_cannot_be_read_keeps_no_other_from_being_adopted(
    tmp_path: Path, content: bytes
) -> None:
    stuck, free = Tools("two"), Tools()
    async with process(tmp_path, stuck) as runs:
        run = await begun(runs, stuck, workflow(attempts=2))
    (tmp_path / "running" / f"{'0' * 24}.json").write_bytes(content)
    async with process(tmp_path, free) as runs:
        assert (await over(runs, run))["status"] == "succeeded"
        assert runs._store._locks == {}


async def test_a_run_is_its_beginners_and_not_that_of_a_key_with_the_same_name(tmp_path: Path) -> None:
    tools = Tools("two")
    async with process(tmp_path, tools) as runs:
        run = await begun(runs, tools, workflow())
        with pytest.raises(KeyError):
            await runs.state(run.id, Subject("alice", "key"))
        assert (await runs.state(run.id, ALICE))["status"] == "running"


@pytest.mark.parametrize("name", ["../running/x", "0" * 24, "", "0" * 23 + "/"])
async def test_a_name_that_no_run_has_leads_nowhere(tmp_path: Path, name: str) -> None:
    async with process(tmp_path, Tools()) as runs:
        with pytest.raises(KeyError):
            await runs.state(name, ALICE)
