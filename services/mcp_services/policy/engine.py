"""Decides by the rules of a document: deny outweighs allow, the default is no, an error denies."""

import fnmatch
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import cel

from mcp_services.core import lines, metrics
from mcp_services.core.identity import Subject
from mcp_services.documents import Effect, Phase, PoliciesDocument, Rule

DEFAULT_RULE = "default-deny"
_OF_THE_CALLER = frozenset({"subject", "tool", "phase"})
"""Facts that are the same for each call of one tool by one caller."""
_MOST_KNOWN, _LONGEST_KNOWN = 1024, 128


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be decided.

    Attributes:
        phase: See `Phase`.
        subject: Who asks.
        tool: Its federated name, `server__tool`.
        args: Arguments of a call; decided on, never logged.
        workflow: The workflow whose step this is, if any.
        result: Facts of a result: `isError`, `text` (every text in result or error), `size`.
    """

    phase: Phase
    subject: Subject
    tool: str
    args: Mapping[str, Any] = field(default_factory=dict)
    workflow: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and the rule that gave it."""

    allowed: bool
    rule: str
    reason: str

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"allowed": self.allowed, "rule": self.rule, "reason": self.reason}


class Engine(Protocol):
    """Anything that decides; another one (OPA, Cedar) may stand in its place."""

    def decide(self, question: Question) -> Decision:
        """Decide."""
        ...

    def needs(self, phase: Phase, tool: str) -> bool:
        """Whether any rule concerns `tool` in `phase`, so that the facts have to be gathered."""
        ...

    def enforces(self, phase: Phase, tool: str) -> bool:
        """Whether any such rule has an effect, so that nothing may be given back before it is decided."""
        ...

    def refuse(self, question: Question, rule: str, reason: str, *, dry_run: bool = False) -> Decision:
        """Refuse what is no matter of rules, recorded as a decision is, and without effect in dry run."""
        ...


@dataclass(frozen=True)
class _Compiled:
    rule: Rule
    tools: re.Pattern[str]
    program: cel.Program | None
    names: frozenset[str]

    @classmethod
    def of(cls, rule: Rule) -> "_Compiled":
        tools = re.compile("|".join(map(fnmatch.translate, rule.tools)))
        if rule.when.strip() == "true":
            return cls(rule, tools, None, frozenset())
        program = cel.compile(rule.when)
        return cls(rule, tools, program, frozenset(program.variables()))

    @property
    def settled_by_the_caller(self) -> bool:
        """Whether nothing of a single call makes a difference."""
        return self.names <= _OF_THE_CALLER

    def outcome(self, facts: Mapping[str, Any]) -> bool | str:
        """Whether the rule matches, or the name of what went wrong."""
        if self.program is None:
            return True
        # Each fact is converted, so one that the expression does not name would cost for nothing; arguments
        # may be megabytes.
        named = {name: fact for name, fact in facts.items() if name in self.names}
        try:
            found = self.program.execute(named)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a rule, the answer is no
            return type(error).__name__
        return found if isinstance(found, bool) else TypeError.__name__


_Outcome = bool | str | None
"""Of a rule: as `_Compiled.outcome`, or none where it is for the call to tell."""


class CelEngine:
    """The rules of one document, compiled once."""

    def __init__(self, document: PoliciesDocument) -> None:
        """Compile `document`."""
        self._dry_run = document.dry_run
        ordered = sorted(document.rules, key=lambda rule: rule.effect is not Effect.DENY)
        self._rules = {
            phase: tuple(_Compiled.of(rule) for rule in ordered if phase in rule.phases) for phase in Phase
        }
        self._known: dict[tuple[Phase, Subject, str], tuple[tuple[_Compiled, _Outcome], ...]] = {}

    def needs(self, phase: Phase, tool: str) -> bool:
        """Whether any rule concerns `tool` in `phase`."""
        return any(compiled.tools.match(tool) for compiled in self._rules[phase])

    def enforces(self, phase: Phase, tool: str) -> bool:
        """Whether any rule that concerns `tool` in `phase` has an effect."""
        return not self._dry_run and any(
            compiled.tools.match(tool) for compiled in self._rules[phase] if not compiled.rule.dry_run
        )

    def decide(self, question: Question) -> Decision:
        """Decide, count it, and write an audit line for a call."""
        begun = time.perf_counter()
        decision = self._decide(question)
        metrics.DECISION_DURATION.observe(time.perf_counter() - begun)
        return _recorded(question, decision, dry_run=self._dry_run)

    def refuse(self, question: Question, rule: str, reason: str, *, dry_run: bool = False) -> Decision:
        """Refuse what is no matter of rules; in dry run it is counted and logged alone."""
        decision = Decision(allowed=False, rule=rule, reason=reason)
        return _recorded(question, decision, dry_run=dry_run or self._dry_run)

    def _decide(self, question: Question) -> Decision:
        facts: Mapping[str, Any] = {}
        for compiled, known in self._left(question):
            rule, outcome = compiled.rule, known
            if outcome is None:
                facts = facts or _facts(question)
                outcome = compiled.outcome(facts)
            if not outcome or (isinstance(outcome, str) and rule.dry_run):
                continue
            if isinstance(outcome, str):
                return Decision(allowed=False, rule=rule.name, reason=f"rule failed: {outcome}")
            if rule.dry_run:
                _record(question, f"dry_run_{rule.effect}", rule.name)
                continue
            allowed = rule.effect is Effect.ALLOW
            return Decision(
                allowed=allowed, rule=rule.name, reason="allowed" if allowed else "denied by rule"
            )
        # Results are given back unless a rule says otherwise: the call itself was decided on.
        if question.phase is Phase.RESULT:
            return Decision(allowed=True, rule="default-allow", reason="no rule withholds the result")
        return Decision(allowed=False, rule=DEFAULT_RULE, reason="no rule allows it")

    def _left(self, question: Question) -> Iterable[tuple[_Compiled, _Outcome]]:
        """The rules that may decide a question; what caller, tool and phase settle is found out once."""
        key = question.phase, question.subject, question.tool
        known = self._known.get(key)
        if known is None:
            known = tuple(self._settled(question))
            # A name may be as long as a body, and anybody may ask for many.
            if len(question.tool) <= _LONGEST_KNOWN:
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[key] = known
        return known

    def _settled(self, question: Question) -> Iterator[tuple[_Compiled, _Outcome]]:
        facts = _facts(question)
        for compiled in self._rules[question.phase]:
            if not compiled.tools.match(question.tool):
                continue
            if not compiled.settled_by_the_caller:
                yield compiled, None
            elif outcome := compiled.outcome(facts):
                yield compiled, outcome
                if not compiled.rule.dry_run:
                    return


def _facts(question: Question) -> dict[str, Any]:
    # As the orchestrator takes it apart: a server's name has no underscore, a tool's own may have two.
    server, found, name = question.tool.partition("__")
    server, name = (server, name) if found else ("", question.tool)
    return {
        "subject": question.subject.as_dict(),
        "tool": {"name": question.tool, "server": server, "short": name},
        "phase": question.phase.value,
        "args": question.args,
        "workflow": question.workflow,
        "result": question.result,
    }


def _recorded(question: Question, decision: Decision, *, dry_run: bool) -> Decision:
    """The decision as it takes effect, which in dry run allows; counted, and written for the audit."""
    verdict = "allow" if decision.allowed else "deny"
    if not decision.allowed and dry_run:
        verdict = "dry_run_deny"
        decision = Decision(allowed=True, rule=decision.rule, reason=f"dry run: {decision.reason}")
    _record(question, verdict, decision.rule)
    return decision


def _record(question: Question, verdict: str, rule: str) -> None:
    metrics.DECISIONS.labels(question.phase, verdict, rule).inc()
    if question.phase is not Phase.LIST:
        # Whatever becomes of the call: its decision is known by then.
        lines.write(
            "decision",
            {
                "phase": question.phase.value,
                "decision": verdict,
                "rule": rule,
                "tool": question.tool[:128],
                "subject": question.subject.id,
                "workflow": question.workflow,
            },
            now=True,
        )
