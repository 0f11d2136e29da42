"""The lines of calls: the same as those of `logging`, out in time, and never a call's undoing."""

import asyncio
import io
import json
import logging
from datetime import datetime

import pytest
from mcp_services.core import exchange, lines
from mcp_services.core.identity import Subject
from mcp_services.core.lines import Lines
from mcp_services.core.logs import JsonFormatter
from mcp_services.documents import Phase, PoliciesDocument
from mcp_services.policy.engine import CelEngine, Question

FIELDS: dict[str, object] = {"http_method": "POST", "status": 200, "milliseconds": 1.25, "subject": "älice"}


def made(stream: io.BytesIO) -> Lines:
    """Lines of a role."""
    of_a_role = Lines()
    of_a_role.begin("mcp-gateway", stream)
    return of_a_role


def told(stream: io.BytesIO) -> list[object]:
    """The messages that are out."""
    return [json.loads(line)["message"] for line in stream.getvalue().splitlines()]


def test_a_line_is_what_logging_would_write() -> None:
    exchange.begin("c-1").trace_id = "0" * 32
    stream = io.BytesIO()
    made(stream).write("request", FIELDS, now=True)
    written = json.loads(stream.getvalue())
    record = logging.makeLogRecord({"msg": "request", "levelname": "INFO"} | FIELDS)
    wanted = json.loads(JsonFormatter("mcp-gateway").format(record))
    assert list(written) == list(wanted)
    times = [datetime.fromisoformat(one.pop("time")) for one in (written, wanted)]
    assert abs((times[0] - times[1]).total_seconds()) < 60
    assert written == wanted


async def test_lines_of_one_round_go_out_together_in_their_order_and_at_once_where_it_matters() -> None:
    stream = io.BytesIO()
    of_a_role = made(stream)
    of_a_role.write("first", {})
    of_a_role.write("second", {})
    assert told(stream) == []
    await asyncio.sleep(0)
    assert told(stream) == ["first", "second"]
    of_a_role.write("third", {})
    of_a_role.write("fourth", {}, now=True)
    assert told(stream) == ["first", "second", "third", "fourth"]


def test_a_decision_is_written_before_anybody_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    monkeypatch.setattr(lines, "write", made(stream).write)
    CelEngine(PoliciesDocument()).decide(Question(Phase.CALL, Subject("\ud800", "user"), "s__t"))
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert (line["decision"], line["rule"], line["tool"]) == ("deny", "default-deny", "s__t")


def test_a_text_that_is_none_and_a_reader_that_is_gone_fail_no_call() -> None:
    stream = io.BytesIO()
    of_a_role = made(stream)
    of_a_role.write("request", {"subject": "\ud800", "status": 200}, now=True)
    assert json.loads(stream.getvalue())["status"] == 200
    stream.close()
    of_a_role.write("request", FIELDS, now=True)


def test_nothing_is_written_where_nobody_has_asked_for_lines() -> None:
    Lines().write("request", FIELDS, now=True)
