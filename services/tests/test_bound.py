"""No span that goes on to Jaeger is larger than Jaeger's volume was counted with."""

from pathlib import Path
from typing import Any

import pytest
from mcp_services.tracehub import bound
from mcp_services.tracehub.app import Tracehub, TracehubSettings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient


def _request(span: Span, *resource: tuple[str, str], scope: str = "") -> ExportTraceServiceRequest:
    asked = ExportTraceServiceRequest()
    one = asked.resource_spans.add()
    one.resource.attributes.extend(_text(key, value) for key, value in resource)
    scopes = one.scope_spans.add()
    scopes.scope.name = scope
    scopes.spans.append(span)
    return asked


def _text(key: str, value: str) -> KeyValue:
    one = KeyValue(key=key)
    one.value.string_value = value
    return one


def _usual(**fields: Any) -> Span:  # noqa: ANN401 - whatever a span holds
    return Span(trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=b"p" * 8, **fields)


def _sent(asked: ExportTraceServiceRequest) -> Span:
    return asked.resource_spans[0].scope_spans[0].spans[0]


_LONG = "ü" * 5000


@pytest.mark.parametrize(
    "span",
    [
        _usual(attributes=[_text(f"key-{i}", "x" * 1024) for i in range(128)]),
        _usual(attributes=[_text("k", "")] * 100_000),
        _usual(events=[Span.Event(name="exception", attributes=[_text("stacktrace", _LONG)])] * 9),
        _usual(links=[Span.Link(trace_id=b"t" * 16, span_id=b"s" * 8)] * 500),
        Span(
            trace_id=b"t" * 9000,
            span_id=b"s" * 9000,
            parent_span_id=b"p" * 9000,
            trace_state=_LONG,
            flags=2**32 - 1,
            name=_LONG,
            start_time_unix_nano=2**64 - 1,
            end_time_unix_nano=2**64 - 1,
            status=Status(code=Status.STATUS_CODE_ERROR, message=_LONG),
            attributes=[_text(f"k{i}", "x" * i) for i in range(200)],
            events=[Span.Event(name="e")] * 200,
            dropped_attributes_count=2**32 - 1,
            dropped_events_count=2**32 - 1,
            dropped_links_count=2**32 - 1,
        ),
    ],
    ids=["long texts", "many attributes", "stack traces", "many links", "everything"],
)
def test_a_span_of_any_content_is_forwarded_within_the_bound(span: Span) -> None:
    resource = [("host", _LONG), ("service.name", _LONG), *[(f"k{i}", "x" * 20) for i in range(50)]]
    asked = _request(span, *resource, scope=_LONG)
    bound.request(asked)
    one = asked.resource_spans[0]
    sizes = one.resource.ByteSize(), one.scope_spans[0].scope.ByteSize(), _sent(asked).ByteSize()
    assert sum(sizes) <= bound.MOST_BYTES, sizes
    assert one.resource.attributes[0].key == "service.name"
    assert one.resource.attributes[0].value.string_value == "ü" * 32


def test_the_largest_attributes_are_left_out_first_and_counted_and_the_others_keep_their_order() -> None:
    span = _usual(attributes=[_text("b", "2"), _text("long", "x" * 1024), _text("a", "1")])
    asked = _request(span)
    bound.request(asked)
    assert [one.key for one in _sent(asked).attributes] == ["b", "a"]
    assert _sent(asked).dropped_attributes_count == 1


def test_a_usual_span_is_forwarded_as_it_is() -> None:
    status = Status(code=Status.STATUS_CODE_ERROR, message="no such tool")
    attributes = [_text(f"k{i}", "x" * 20) for i in range(10)]
    span = _usual(name="tools/call", attributes=attributes, status=status)
    asked = _request(span, ("service.name", "mcp-gateway"), scope="mcp_services")
    before = asked.SerializeToString()
    bound.request(asked)
    assert asked.SerializeToString() == before


def test_what_is_forwarded_is_bounded_and_what_is_kept_here_has_all_attributes() -> None:
    hub = Tracehub(TracehubSettings(jaeger_otlp_url="http://jaeger"))
    span = _usual(attributes=[_text(f"k{i}", "x" * 1000) for i in range(9)])
    with TestClient(Starlette(routes=[Route("/v1/traces", hub.receive, methods=["POST"])])) as client:
        assert client.post("/v1/traces", content=_request(span).SerializeToString()).status_code == 200
    assert hub.forwarder.size < bound.MOST_BYTES
    (kept,) = hub.store.trace((b"t" * 16).hex())
    assert len(kept["attributes"]) == 9


def test_jaegers_volume_is_counted_with_this_bound() -> None:
    platform = Path(__file__).parents[2] / "a1platform" / "platform" / "tracing.py"
    assert f"\nSPAN_BYTES = {bound.MOST_BYTES}\n" in platform.read_text()
