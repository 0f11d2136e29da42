"""What tracehub keeps, and what it does not."""

from typing import Any

import pytest
from mcp_services.tracehub.redact import REDACTED, attribute
from mcp_services.tracehub.store import Store, read, redact_request
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def span(span_id: str, correlation: str | None = None) -> dict[str, Any]:
    """A span as the store keeps it."""
    return {
        "spanId": span_id,
        "start": float(int(span_id)),
        "attributes": {"correlation.id": correlation} if correlation else {},
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("http.request.header.authorization", "x"),
        ("db.password", "x"),
        ("tool.arguments", "x"),
        ("note", "Bearer abcdefgh12345678"),
        ("note", "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl"),
        ("url", "https://user:pass@host/"),
    ],
)
def test_secrets_and_contents_are_redacted_by_key_and_by_form(key: str, value: str) -> None:
    kept = attribute(key, value)
    assert REDACTED in str(kept)
    assert value not in str(kept)


def test_what_is_forwarded_is_redacted_as_well() -> None:
    request = ExportTraceServiceRequest()
    sent = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    sent.attributes.add(key="api_key").value.string_value = "hunter2"
    sent.events.add(name="e").attributes.add(key="token").value.string_value = "hunter2"
    redact_request(request)
    assert b"hunter2" not in request.SerializeToString()
    assert next(iter(read(request)))[1]["attributes"] == {"api_key": REDACTED}


def test_a_correlation_id_finds_all_its_traces_in_order_of_time() -> None:
    store = Store(10)
    store.add("t1", span("2", "c"))
    store.add("t1", span("1"))
    store.add("t2", span("3", "c"))
    assert store.correlated("c") == ["t1", "t2"]
    assert [one["spanId"] for one in store.trace("t1")] == ["1", "2"]


def test_memory_is_bounded_and_the_oldest_trace_is_forgotten_whole() -> None:
    store = Store(2)
    for number in range(5):
        store.add(f"t{number}", span("1", f"c{number}"))
    assert store.trace("t2") == []
    assert store.correlated("c2") == []
    assert store.correlated("c4") == ["t4"]
