"""What rules may look at in a result: the policy proxy in an answer, the orchestrator in that of a step."""

from collections.abc import Iterator
from typing import Any

ERROR_FROM = 400
"""The least HTTP status of an error."""


def facts(*messages: object, size: int) -> dict[str, Any]:
    """The facts of JSON-RPC messages, of which the last is the answer.

    `text` has every text in them, wherever it stands: what a rule did not see could be withheld by none.
    """
    last = messages[-1]
    result = last.get("result") if isinstance(last, dict) else None
    failed = not isinstance(result, dict) or bool(result.get("isError", False))
    parts = [part for message in messages for part in _parts(message)]
    return {"isError": failed, "text": "\n".join(_texts(parts)), "size": size}


def _parts(message: object) -> list[object]:
    if not isinstance(message, dict):
        return [message]
    return [message[name] for name in ("params", "result", "error") if name in message]


def _texts(value: object) -> Iterator[str]:
    # No recursion: JSON may be nested deeper than calls.
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            pending.extend(reversed(one.values()))
        elif isinstance(one, list):
            pending.extend(reversed(one))
