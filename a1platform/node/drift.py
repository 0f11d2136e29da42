"""Has a host drifted? The program itself asks at each run, since Pulumi's state cannot know (ADR 0011).

A host remembers a mark of the run that last brought everything into force. While all is as declared the
program hands that same mark to the script, so nothing differs from the state; once something has drifted it
hands over a new one, so the script is another one and Pulumi runs it again.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pulumi

from a1platform.node.connection import HostUnreachableError, run_script, shared
from a1platform.settings.node import NodeSettings

_ASKING = ThreadPoolExecutor(thread_name_prefix="drift")
_COLUMNS = 4
_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """Something on a host that is not as declared.

    Attributes:
        concern: The concern and the thing, such as `sysctl net.ipv4.tcp_syncookies`.
        expected: What was declared.
        found: What is there.
        since: When it became so, empty where nobody knows.
    """

    concern: str
    expected: str
    found: str
    since: str = ""


@dataclass(frozen=True)
class HostState:
    """What a host answers.

    Attributes:
        marks: The mark of the last apply, by group of changes or `upload-<name>`.
        findings: What is not as declared.
        fresh: The mark of this run; empty where nobody asks.
    """

    marks: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    fresh: str = ""

    def mark(self, group: str) -> str:
        """Return the mark for a group of changes: the last one, or this run's where anything must be done."""
        return self.fresh if self.findings else self.marks.get(group, self.fresh)

    def upload_mark(self, name: str, concern: str) -> str:
        """Return the mark for an upload: this run's only where what it has put in place is another by now."""
        drifted = any(finding.concern == concern for finding in self.findings)
        return self.fresh if drifted else self.marks.get(f"upload-{name}", "")


Watch = Callable[[NodeSettings, str], "pulumi.Output[HostState]"]
"""How a component learns the state of a node from a script of `render_script`."""


def unwatched(node: NodeSettings, script: str) -> "pulumi.Output[HostState]":
    """Ask nobody: for previews without a machine, for machines that are gone, and for tests."""
    del node, script
    return pulumi.Output.from_input(HostState())


def watched(node: NodeSettings, script: str) -> "pulumi.Output[HostState]":
    """Ask the node at once, while the program goes on; over one SSH connection for all who ask.

    One that is gone is not asked.
    """
    if node.is_gone:
        return unwatched(node, script)
    # Not asyncio.to_thread, which begins only when the program has declared everything.
    asked = _ASKING.submit(copy_context().run, ask, node, script)
    return pulumi.Output.from_input(asyncio.wrap_future(asked))


def ask(node: NodeSettings, script: str) -> HostState:
    """Ask a node what has drifted, and say so on Pulumi's log.

    A node that does not answer, or not to the end, counts as drifted: what Pulumi then does fails with the
    plugin's own words, or works.

    Args:
        node: The node.
        script: What `render_script` gives.
    """
    fresh = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    try:
        with shared(node) as client:
            answer = run_script(client, node, script, "drift")
    except HostUnreachableError as error:
        pulumi.log.warn(f"cannot tell whether anything has drifted: {error}")
        return HostState(fresh=fresh)
    marks = dict(line.split("\t")[1:3] for line in answer.stdout.splitlines() if line.startswith("mark\t"))
    if answer.status != 0:
        # It ended before it had looked at everything: what it has not named need not be as declared.
        if marks:
            reason = f"exit status {answer.status}: {answer.stderr.strip()}"
            pulumi.log.warn(f"node {node.name}: cannot tell whether anything has drifted: {reason}")
        return HostState(fresh=fresh)
    state = HostState(marks, parse(answer.stdout), fresh)
    # Before the first apply everything deviates, which is no news.
    if state.findings and state.marks:
        pulumi.log.warn(_words(node, state.findings))
    return state


def parse(text: str) -> tuple[Finding, ...]:
    """Return the deviations that `verify` and `drift` print, other lines passed over."""
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("mark\t"))
    return tuple(Finding(*row) for row in rows if len(row) == _COLUMNS)


def _words(node: NodeSettings, findings: tuple[Finding, ...]) -> str:
    named = "; ".join(
        f"{finding.concern}: found {finding.found}, expected {finding.expected}"
        for finding in findings[:_NAMED]
    )
    more = f"; and {len(findings) - _NAMED} more" if len(findings) > _NAMED else ""
    return f"node {node.name} is not as declared, this run puts it right: {named}{more}"
