"""The REST interface as calls of tools, so that one set of rules covers both ways in."""

import re
from typing import Any

import orjson
from starlette.datastructures import QueryParams

from mcp_services.core import results
from mcp_services.core.identity import Subject
from mcp_services.documents import Phase
from mcp_services.policy.engine import Question

# What needs no escape. With one, the next hop could read another name than was decided on.
_PLAIN = re.compile(r"[A-Za-z0-9/._~-]*")
_RUN = "workflow_run"


def question(method: str, path: str, query: str, body: bytes, subject: Subject) -> Question | None:
    """The call that a request amounts to, with the arguments that the tool would have; None without any.

    Raises:
        orjson.JSONDecodeError: The input of a workflow is no JSON.
    """
    if not _PLAIN.fullmatch(path):
        return None
    match method, path.split("/"):
        case "GET", ["", "v1", "workflows"]:
            return Question(Phase.CALL, subject, "workflow_list")
        case "POST", ["", "v1", "workflows", name, "runs"]:
            args: dict[str, Any] = {"workflow": name, "input": orjson.loads(body or b"{}")}
            given = QueryParams(query)
            if "async" in given:
                args["async"] = given["async"] == "true"
            return Question(Phase.CALL, subject, _RUN, args)
        case "GET", ["", "v1", "runs", run]:
            return Question(Phase.CALL, subject, "workflow_status", {"run": run})
        case "DELETE", ["", "v1", "runs", run]:
            return Question(Phase.CALL, subject, "workflow_cancel", {"run": run})
        case _:
            return None


def result_facts(tool: str, status: int, body: bytes) -> dict[str, Any]:
    """What result rules may look at in an answer: what they would see in the tool's."""
    text = body.decode(errors="replace")
    try:
        shown = orjson.loads(body)
    except orjson.JSONDecodeError:
        return results.facts(text, size=len(body))
    # Not 202: a run that has only begun is no failure.
    ended_badly = status == 200 and tool == _RUN and shown["status"] != "succeeded"  # noqa: PLR2004
    result = {
        "content": [{"type": "text", "text": text}],
        "structuredContent": shown,
        "isError": ended_badly or status >= results.ERROR_FROM,
    }
    return results.facts({"result": result}, size=len(body))
