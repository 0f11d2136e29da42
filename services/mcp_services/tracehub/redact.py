"""Takes out of spans what must not be kept: secrets, and contents of calls."""

import re
from collections.abc import Iterable
from functools import lru_cache

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

REDACTED = "[redacted]"
LONGEST = 4096
"""Characters of a text that are kept."""
_LONGEST_SECRET = 64 * 1024
"""Characters behind those that are kept in which a secret may end that begins among them."""

_KEYS = re.compile(
    r"authorization|cookie|password|passwd|secret|token|api[-_.]?key|private[-_.]?key|credential"
    r"|argument|\bbody\b|prompt|completion|input\.value|output\.value",
    re.IGNORECASE,
)
# Each part of a text is looked at a few times at most, whatever it holds: no repetition is given back, and of
# a run of a JWT's characters only the first `eyJ` is tried, as a later one begins one only where that does.
_VALUES = re.compile(
    r"(?:Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}"
    r"|(?<![A-Za-z0-9_-])(?>[A-Za-z0-9_-]*?eyJ)[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]*+"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
    r"|://[^/\s:@]++:[^/\s@]++@",
)


_SIGNS = ("Bearer", "Basic", "eyJ", "-----BEGIN ", "://")
"""Of these there is one in every text in which `_VALUES` finds something."""

_SHORT = 128
"""Characters of a key that is remembered: ours are few and short, and nobody's may fill the memory."""


def request(asked: ExportTraceServiceRequest) -> None:
    """Take secrets out of an OTLP request, in place."""
    for resource in asked.resource_spans:
        _attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            scope.scope.name = text(scope.scope.name)
            _attributes(scope.scope.attributes)
            for span in scope.spans:
                _span(span)


def _span(span: Span) -> None:
    if (name := text(span.name)) != span.name:
        span.name = name
    if span.status.message:
        span.status.message = text(span.status.message)
    _attributes(span.attributes)
    for event in span.events:
        event.name = text(event.name)
        _attributes(event.attributes)
    for link in span.links:
        _attributes(link.attributes)


def _attributes(held: Iterable[KeyValue]) -> None:
    for one in held:
        if _remembered(one.key) if len(one.key) <= _SHORT else _is_secret(one.key):
            one.value.CopyFrom(AnyValue(string_value=REDACTED))
        else:
            _value(one.value)


def _is_secret(key: str) -> bool:
    return _KEYS.search(key) is not None


_remembered = lru_cache(maxsize=1024)(_is_secret)


def _value(value: AnyValue) -> None:
    match value.WhichOneof("value"):
        case "string_value":
            if (kept := text(value.string_value)) != value.string_value:
                value.string_value = kept
        case "bytes_value":
            value.bytes_value = text(value.bytes_value.decode("latin-1")).encode("latin-1")
        case "array_value":
            for one in value.array_value.values:
                _value(one)
        case "kvlist_value":
            _attributes(value.kvlist_value.values)


def text(value: str) -> str:
    """A text without the secrets in it, and cut when it is long."""
    if len(value) <= LONGEST and not any(sign in value for sign in _SIGNS):
        return value
    kept, at = [], 0
    for found in _VALUES.finditer(value, 0, LONGEST + _LONGEST_SECRET):
        if found.start() >= LONGEST:
            break
        kept += [value[at : found.start()], REDACTED]
        at = found.end()
    # What came from behind would be shown where a secret is cut in two.
    return "".join([*kept, value[at:LONGEST]])[:LONGEST]
