"""What goes on to Jaeger: of each span a known number of bytes at most; docs/adr/0012-jaegers-store.md."""

from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

MOST_BYTES = 1024
"""Of a span with its resource and its scope, which Jaeger keeps with each span."""
_RESOURCE_BYTES, _SCOPE_BYTES = 256, 64
_SPAN_BYTES = MOST_BYTES - _RESOURCE_BYTES - _SCOPE_BYTES
_TEXT_BYTES, _SCOPE_NAME_BYTES, _VERSION_BYTES, _SERVICE_BYTES = 128, 40, 16, 64
_TRACE_ID_BYTES, _SPAN_ID_BYTES = 16, 8
_FRAME_BYTES = 3
"""Most that the encoding adds to a member of a list of this size: its tag and its length."""
_COUNTS_BYTES = 18
"""Most that the three counts of what is left out take."""
_SERVICE = "service.name"

_Member = TypeVar("_Member", bound=Message)


def request(asked: ExportTraceServiceRequest) -> None:
    """Leave the largest attributes, events and links out of spans that are too large, in place.

    They are counted in the fields that OTLP has for that.
    """
    for resource in asked.resource_spans:
        resource.ClearField("schema_url")
        if resource.resource.ByteSize() > _RESOURCE_BYTES:
            resource.resource.CopyFrom(_resource(resource.resource))
        for scope in resource.scope_spans:
            scope.ClearField("schema_url")
            if scope.scope.ByteSize() > _SCOPE_BYTES:
                scope.scope.CopyFrom(_scope(scope.scope))
            for span in scope.spans:
                if span.ByteSize() > _SPAN_BYTES:
                    span.CopyFrom(_span(span))


def _resource(whole: Resource) -> Resource:
    """A resource that fits; Jaeger finds traces by the service's name, which therefore stays."""
    name = next((one.value.string_value for one in whole.attributes if one.key == _SERVICE), "")
    service = KeyValue(key=_SERVICE, value=AnyValue(string_value=_cut(name, _SERVICE_BYTES)))
    others = [one for one in whole.attributes if one.key != _SERVICE]
    room = _RESOURCE_BYTES - service.ByteSize() - _FRAME_BYTES - _COUNTS_BYTES
    kept = _fitting(others, room)
    left_out = whole.dropped_attributes_count + len(others) - len(kept)
    return Resource(attributes=[service, *kept], dropped_attributes_count=_count(left_out))


def _scope(whole: InstrumentationScope) -> InstrumentationScope:
    return InstrumentationScope(
        name=_cut(whole.name, _SCOPE_NAME_BYTES), version=_cut(whole.version, _VERSION_BYTES)
    )


def _span(whole: Span) -> Span:
    span = Span(
        trace_id=whole.trace_id[:_TRACE_ID_BYTES],
        span_id=whole.span_id[:_SPAN_ID_BYTES],
        parent_span_id=whole.parent_span_id[:_SPAN_ID_BYTES],
        flags=whole.flags,
        name=_cut(whole.name, _TEXT_BYTES),
        kind=whole.kind,
        start_time_unix_nano=whole.start_time_unix_nano,
        end_time_unix_nano=whole.end_time_unix_nano,
        status=Status(code=whole.status.code, message=_cut(whole.status.message, _TEXT_BYTES)),
    )

    def room() -> int:
        return _SPAN_BYTES - _COUNTS_BYTES - span.ByteSize()

    span.attributes.extend(_fitting(whole.attributes, room()))
    span.events.extend(_fitting(whole.events, room()))
    span.links.extend(_fitting(whole.links, room()))
    for name in ("attributes", "events", "links"):
        count = f"dropped_{name}_count"
        left_out = len(getattr(whole, name)) - len(getattr(span, name))
        setattr(span, count, _count(getattr(whole, count) + left_out))
    return span


def _fitting(members: Sequence[_Member], room: int) -> list[_Member]:
    """As many as fit, in their order, the smallest first: one long text costs no short ones."""
    kept = []
    for size, place in sorted((one.ByteSize(), place) for place, one in enumerate(members)):
        room -= size + _FRAME_BYTES
        if room < 0:
            break
        kept.append(place)
    return [members[place] for place in sorted(kept)]


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")


def _count(number: int) -> int:
    """A number that the field holds, whatever a sender has counted before."""
    return min(number, 2**32 - 1)
