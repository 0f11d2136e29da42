"""The latest traces, in bounded memory, found by trace ID and by correlation ID."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from mcp_services.core.tracing import CORRELATION_ATTRIBUTE

MOST_SPANS_A_TRACE = 1000
# What Python takes for a span or an ID beside its text: keys, headers of objects, places in tables.
_OVERHEAD = 400
_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_ERROR = 2

Span = dict[str, Any]


@dataclass
class Trace:
    """The spans of one trace by span ID, each with its service, and the correlation IDs they carry.

    They are kept as they are encoded, whose size is known: of a thousand, one may be looked up.
    """

    spans: dict[bytes, tuple[str, bytes]] = field(default_factory=dict)
    correlations: set[str] = field(default_factory=set)
    size: int = 0


def read(request: ExportTraceServiceRequest) -> Iterator[tuple[str, ProtoSpan]]:
    """Each span of an OTLP request with its service."""
    for resource in request.resource_spans:
        service = next(
            (one.value.string_value for one in resource.resource.attributes if one.key == "service.name"),
            "unknown",
        )
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield service, span


def _lean(span: ProtoSpan) -> ProtoSpan:
    """A span without what no look-up shows."""
    if not span.events and not span.links:
        return span
    lean = ProtoSpan()
    lean.CopyFrom(span)
    lean.ClearField("events")
    lean.ClearField("links")
    return lean


def _size(service: str, content: bytes) -> int:
    return len(service) + len(content)


def _correlation(span: ProtoSpan) -> str:
    # The last one counts, as in JSON.
    found = ""
    for one in span.attributes:
        if one.key == CORRELATION_ATTRIBUTE:
            found = one.value.string_value
    return found


def shown(service: str, span: ProtoSpan) -> Span:
    """A span as it is looked up."""
    return {
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex() or None,
        "service": service,
        "name": span.name,
        "kind": _KINDS[span.kind] if span.kind < len(_KINDS) else "unspecified",
        "start": span.start_time_unix_nano / 1e9,
        "milliseconds": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
        "error": span.status.message or "error" if span.status.code == _ERROR else None,
        "attributes": {one.key: _plain(one.value) for one in span.attributes},
    }


def _plain(value: AnyValue) -> Any:  # noqa: ANN401 - any JSON value
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return {one.key: _plain(one.value) for one in value.kvlist_value.values}
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind) if kind else None


class Store:
    """At most so many traces, in so many bytes; the oldest go first."""

    def __init__(self, most_traces: int, most_bytes: int) -> None:
        """Keep up to `most_traces`, in no more than `most_bytes`."""
        self._most, self._most_bytes = most_traces, most_bytes
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._by_correlation: dict[str, set[str]] = {}
        self.size = 0

    def add(self, service: str, span: ProtoSpan) -> bool:
        """Keep a span; false when its trace is full."""
        trace_id, span_id = span.trace_id.hex(), span.span_id
        trace = self._traces.get(trace_id)
        if trace is None:
            trace = self._traces[trace_id] = Trace()
            self._grow(trace, len(trace_id) + _OVERHEAD)
        known = trace.spans.get(span_id)
        if known is None and len(trace.spans) >= MOST_SPANS_A_TRACE:
            return False
        content = _lean(span).SerializeToString()
        trace.spans[span_id] = service, content
        before = -_OVERHEAD if known is None else _size(*known)
        self._grow(trace, _size(service, content) - before)
        correlation = _correlation(span)
        if correlation and correlation not in trace.correlations:
            trace.correlations.add(correlation)
            self._by_correlation.setdefault(correlation, set()).add(trace_id)
            self._grow(trace, len(correlation) + _OVERHEAD)
        while len(self._traces) > self._most or self.size > self._most_bytes:
            self._forget()
        return True

    def _grow(self, trace: Trace, size: int) -> None:
        trace.size += size
        self.size += size

    def _forget(self) -> None:
        trace_id, trace = self._traces.popitem(last=False)
        self.size -= trace.size
        for correlation in trace.correlations:
            known = self._by_correlation[correlation]
            known.discard(trace_id)
            if not known:
                del self._by_correlation[correlation]

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of a trace, earliest first; none when it is unknown."""
        found = self._traces.get(trace_id)
        kept = found.spans.values() if found else ()
        spans = [shown(service, ProtoSpan.FromString(content)) for service, content in kept]
        return sorted(spans, key=lambda span: float(span["start"]))

    def correlated(self, correlation_id: str) -> list[str]:
        """The traces that carry a correlation ID."""
        return sorted(self._by_correlation.get(correlation_id, ()))
