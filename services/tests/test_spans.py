"""Spans: recorded as their traces' beginnings have decided, and told as OTLP has it."""

import random
from collections.abc import Sequence

import pytest
from mcp_services.core import exchange, spans, tracing
from mcp_services.core.spans import Queue
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def carrier(flags: str) -> dict[str, str]:
    """The trace context of a caller."""
    return {"traceparent": f"00-{TRACE}-{PARENT}-{flags}", "tracestate": "a=b"}


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    """The spans of this process, all of them."""
    made = Queue("test", 1.0)
    monkeypatch.setattr(tracing._Spans, "queue", made)
    return made


def encoded(queue: Queue) -> Sequence[Span]:
    """What is delivered."""
    asked = ExportTraceServiceRequest.FromString(queue.encoded(queue.take(100)))
    (resource,) = asked.resource_spans
    told = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert told["service.name"] == "test"
    (scope,) = resource.scope_spans
    assert scope.scope.name == "mcp_services"
    return scope.spans


def dropped() -> float:
    """How many spans nobody got."""
    return REGISTRY.get_sample_value("mcp_spans_dropped_total", {"role": "test"}) or 0.0


def test_a_span_tells_what_it_is_and_belongs_to_its_callers_trace(queue: Queue) -> None:
    at = exchange.begin("c-1")
    with tracing.span("outer", SpanKind.SERVER, carrier("01")) as opened:
        opened.set_attribute("mcp.tool", "x" * 5000)
        opened.set_attributes({"policy.allowed": True, "count": 3, "share": 0.5})
        with tracing.span("inner", SpanKind.CLIENT) as inside:
            sent = tracing.outgoing()
            tracing.fail(inside, "no answer")
    assert at.trace_id == TRACE
    inner, outer = encoded(queue)
    assert (outer.trace_id.hex(), outer.parent_span_id.hex()) == (TRACE, PARENT)
    assert (inner.trace_id.hex(), inner.parent_span_id) == (TRACE, outer.span_id)
    assert (outer.name, outer.kind, inner.kind) == ("outer", Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)
    assert outer.start_time_unix_nano <= inner.start_time_unix_nano <= inner.end_time_unix_nano
    assert inner.end_time_unix_nano <= outer.end_time_unix_nano
    assert (outer.flags, inner.flags) == (0x300, 0x100)
    told = {one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in outer.attributes}
    assert told == {
        "correlation.id": "c-1",
        "mcp.tool": "x" * 1024,
        "policy.allowed": True,
        "count": 3,
        "share": 0.5,
    }
    assert (inner.status.code, inner.status.message) == (Status.STATUS_CODE_ERROR, "no answer")
    assert outer.status.code == Status.STATUS_CODE_UNSET
    assert sent["traceparent"] == f"00-{TRACE}-{inner.span_id.hex()}-01"
    assert sent["tracestate"] == inner.trace_state == "a=b"


def test_an_error_that_ends_a_span_is_told(queue: Queue) -> None:
    with pytest.raises(KeyError), tracing.span("outer", SpanKind.SERVER):
        raise KeyError("x")
    (outer,) = encoded(queue)
    assert (outer.status.code, outer.status.message) == (Status.STATUS_CODE_ERROR, "KeyError: 'x'")
    assert not outer.parent_span_id


@pytest.mark.parametrize("flags", ["00", "01"])
@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_whether_a_trace_is_recorded_is_its_beginnings_business(
    monkeypatch: pytest.MonkeyPatch, flags: str, ratio: float
) -> None:
    queue = Queue("test", ratio)
    monkeypatch.setattr(tracing._Spans, "queue", queue)
    with tracing.span("outer", SpanKind.SERVER, carrier(flags)) as opened:
        sent = tracing.outgoing()["traceparent"]
        assert opened.is_recording() is (flags == "01")
    assert len(queue) == (flags == "01")
    assert sent.startswith(f"00-{TRACE}-")
    assert sent.endswith(f"-{flags}")
    assert PARENT not in sent


def test_of_traces_that_begin_here_the_share_is_recorded_that_the_sdk_would_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue, seen = Queue("test", 0.3), []
    monkeypatch.setattr(tracing._Spans, "queue", queue)
    monkeypatch.setattr(spans, "random", random.Random(7))  # noqa: S311 - no secret
    sampler = TraceIdRatioBased(0.3)
    for _ in range(300):
        with tracing.span("outer", SpanKind.SERVER, {"host": "x"}) as opened:
            trace_id = opened.get_span_context().trace_id
            wanted = sampler.should_sample(None, trace_id, "outer").decision is Decision.RECORD_AND_SAMPLE
            seen.append(opened.is_recording())
            assert seen[-1] is wanted
    assert 50 < sum(seen) < 150


def test_a_queue_that_is_full_and_a_span_that_is_no_text_drop_that_span_alone(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "_QUEUE", 2)
    before = dropped()
    for name in ("\ud800", "good", "too many"):
        with tracing.span(name, SpanKind.SERVER):
            pass
    assert dropped() == before + 1
    assert [one.name for one in encoded(queue)] == ["good"]
    assert dropped() == before + 2
    assert len(queue) == 0


def test_where_nothing_is_recorded_the_callers_trace_goes_on() -> None:
    with tracing.span("outer", SpanKind.SERVER, carrier("01")) as opened:
        assert not opened.is_recording()
        assert tracing.outgoing()["traceparent"] == carrier("01")["traceparent"]
