"""Spans of this process: recorded in few fields, and made into OTLP's messages when they are delivered.

The SDK's own span takes several times the CPU for the same: locks, checked copies of its attributes, a result
of sampling with attributes of its own, and a second look at each when it is encoded.
"""

import random
import time
from collections import deque
from collections.abc import Mapping, Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as EncodedResource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, SpanFlags
from opentelemetry.proto.trace.v1.trace_pb2 import Span as EncodedSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status as EncodedStatus
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from mcp_services.core import metrics

_QUEUE = 4096
_LONGEST_TEXT = 1024
_SAMPLED, _NOT_SAMPLED = TraceFlags(TraceFlags.SAMPLED), TraceFlags(TraceFlags.DEFAULT)
_SCOPE = InstrumentationScope(name="mcp_services")
_KINDS = {
    SpanKind.INTERNAL: EncodedSpan.SPAN_KIND_INTERNAL,
    SpanKind.SERVER: EncodedSpan.SPAN_KIND_SERVER,
    SpanKind.CLIENT: EncodedSpan.SPAN_KIND_CLIENT,
    SpanKind.PRODUCER: EncodedSpan.SPAN_KIND_PRODUCER,
    SpanKind.CONSUMER: EncodedSpan.SPAN_KIND_CONSUMER,
}
_LOCAL = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_REMOTE = _LOCAL | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK


class Recorded(trace.NonRecordingSpan):
    """A span that is recorded; what the base does nothing for (events, links) none of ours has."""

    def __init__(
        self, queue: "Queue", context: SpanContext, parent: SpanContext | None, name: str, kind: SpanKind
    ) -> None:
        """Begin it; it goes to `queue` at its end."""
        super().__init__(context)
        self._queue = queue
        self._parent, self._name, self._kind = parent, name, kind
        self._attributes: dict[str, AttributeValue] = {}
        self._failure: str | None = None
        self._begun, self._ended = time.time_ns(), 0

    def is_recording(self) -> bool:
        """Whether it has not ended."""
        return not self._ended

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set an attribute."""
        self._attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set several."""
        self._attributes.update(attributes)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Mark it as failed, where the status says so."""
        told = status if isinstance(status, Status) else Status(status, description)
        if told.status_code is StatusCode.ERROR:
            self._failure = told.description or ""

    def end(self, end_time: int | None = None) -> None:
        """End it, once."""
        if not self._ended:
            self._ended = end_time or time.time_ns()
            self._queue.put(self)

    def encoded(self) -> EncodedSpan:
        """As OTLP has it.

        Raises:
            ValueError: It holds what is no text.
            TypeError: It holds what is no attribute.
        """
        own, parent = self.get_span_context(), self._parent
        failure = self._failure
        return EncodedSpan(
            trace_id=own.trace_id.to_bytes(16, "big"),
            span_id=own.span_id.to_bytes(8, "big"),
            trace_state=own.trace_state.to_header(),
            parent_span_id=parent.span_id.to_bytes(8, "big") if parent else b"",
            flags=_REMOTE if parent and parent.is_remote else _LOCAL,
            name=self._name,
            kind=_KINDS[self._kind],
            start_time_unix_nano=self._begun,
            end_time_unix_nano=self._ended,
            attributes=[KeyValue(key=key, value=_value(value)) for key, value in self._attributes.items()],
            status=None
            if failure is None
            else EncodedStatus(code=EncodedStatus.STATUS_CODE_ERROR, message=failure),
        )


def _value(value: AttributeValue) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case str():
            return AnyValue(string_value=value[:_LONGEST_TEXT])
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
    raise TypeError(f"an attribute of a span is a {type(value).__name__}")


class Queue:
    """Makes the spans of a role, and keeps those that have ended until they are delivered."""

    def __init__(self, role: str, ratio: float) -> None:
        """Record this share of the traces that begin here, and of others what their beginning has decided."""
        self._spans: deque[Recorded] = deque()
        self._dropped = metrics.SPANS_DROPPED.labels(role)
        # The share is the SDK's to work out, so that all who look at a trace decide alike.
        self._below = TraceIdRatioBased(ratio).bound
        attributes = Resource.create({"service.name": role}).attributes
        self._resource = EncodedResource(
            attributes=[KeyValue(key=key, value=_value(value)) for key, value in attributes.items()]
        )

    def __len__(self) -> int:
        """How many wait."""
        return len(self._spans)

    def start(
        self, name: str, above: Context, kind: SpanKind, attributes: Mapping[str, AttributeValue]
    ) -> Span:
        """Begin a span in the context `above`."""
        parent = trace.get_current_span(above).get_span_context()
        if parent.is_valid:
            trace_id, state, sampled = parent.trace_id, parent.trace_state, parent.trace_flags.sampled
        else:
            trace_id, state = random.getrandbits(128) or 1, None
            sampled = trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < self._below
        span_id = random.getrandbits(64) or 1
        flags = _SAMPLED if sampled else _NOT_SAMPLED
        own = SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags, trace_state=state)
        if not sampled:
            return trace.NonRecordingSpan(own)
        begun = Recorded(self, own, parent if parent.is_valid else None, name, kind)
        begun.set_attributes(attributes)
        return begun

    def put(self, span: Recorded) -> None:
        """Keep a span that has ended, if there is room."""
        if len(self._spans) >= _QUEUE:
            self._dropped.inc()
        else:
            self._spans.append(span)

    def take(self, most: int) -> Sequence[Recorded]:
        """The oldest spans, which are then no longer here."""
        return [self._spans.popleft() for _ in range(min(most, len(self._spans)))]

    def drop(self, count: int) -> None:
        """Count spans that nobody gets."""
        self._dropped.inc(count)

    def encoded(self, spans: Sequence[Recorded]) -> bytes:
        """Spans as an OTLP request; one that cannot be encoded is dropped alone."""
        messages = []
        for span in spans:
            try:
                messages.append(span.encoded())
            except (ValueError, TypeError):
                self.drop(1)
        scopes = [ScopeSpans(scope=_SCOPE, spans=messages)]
        asked = ExportTraceServiceRequest(
            resource_spans=[ResourceSpans(resource=self._resource, scope_spans=scopes)]
        )
        return asked.SerializeToString()
