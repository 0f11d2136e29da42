"""Spans by the OpenTelemetry SDK, delivered by the event loop itself.

The SDK's own batch processor needs a thread, and its shutdown took 30.0 s with a dead receiver, which is the
default grace period of a pod. Here a full queue or a dead receiver drops spans, counts them; nothing waits.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping
from functools import cached_property
from types import TracebackType

import aiohttp
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mcp_services.core import exchange, metrics
from mcp_services.core.settings import RoleSettings

CORRELATION_ATTRIBUTE = "correlation.id"

_LOG = logging.getLogger(__name__)
_PROPAGATOR = TraceContextTextMapPropagator()
_QUEUE, _BATCH, _FLUSH_SECONDS, _END_SECONDS = 4096, 512, 1.0, 3.0


class _Spans:
    """Makes the spans of this process.

    The provider is not made the process's own on purpose: the MCP SDK then makes none of its own beside ours.
    Its two a call say nothing that ours do not, and a span costs 0.14 ms of CPU from its start to tracehub's
    store.
    """

    tracer: trace.Tracer = trace.NoOpTracer()


class _Resource(Resource):
    """Remembers its hash, which the SDK takes from its JSON, and the encoder asks for at each span."""

    @cached_property
    def _hash(self) -> int:
        return super().__hash__()

    def __hash__(self) -> int:
        return self._hash


class _Queue(SpanProcessor):
    """Keeps ended spans until the loop delivers them."""

    def __init__(self, role: str) -> None:
        self.spans: deque[ReadableSpan] = deque()
        self._dropped = metrics.SPANS_DROPPED.labels(role)

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if len(self.spans) >= _QUEUE:
            self._dropped.inc()
            return
        self.spans.append(span)

    def drop(self) -> None:
        """Count what is left, which nobody gets any more."""
        self._dropped.inc(len(self.spans))
        self.spans.clear()

    async def deliver(self, client: aiohttp.ClientSession, url: str) -> None:
        while self.spans:
            batch = [self.spans.popleft() for _ in range(min(_BATCH, len(self.spans)))]
            taken = False
            try:
                body = encode_spans(batch).SerializeToString()
                async with client.post(
                    f"{url}/v1/traces",
                    data=body,
                    headers={"Content-Type": "application/x-protobuf"},
                    timeout=aiohttp.ClientTimeout(total=_END_SECONDS),
                ) as answer:
                    taken = answer.status < 400  # noqa: PLR2004
            except (aiohttp.ClientError, OSError):
                return
            finally:
                # Whatever ends it, be it the end of the process.
                if not taken:
                    self._dropped.inc(len(batch))


@contextlib.asynccontextmanager
async def exporting(role: str, settings: RoleSettings, client: aiohttp.ClientSession) -> AsyncIterator[None]:
    """Record spans and deliver them to `settings.traces_url` once a second while the block runs."""
    if not settings.traces_url:
        yield
        return
    queue = _Queue(role)
    provider = TracerProvider(
        resource=_Resource(Resource.create({"service.name": role}).attributes),
        sampler=ParentBased(TraceIdRatioBased(settings.trace_ratio)),
        span_limits=SpanLimits(max_attribute_length=1024),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(queue)
    _Spans.tracer = provider.get_tracer("mcp_services")

    over = asyncio.Event()

    async def work() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), _FLUSH_SECONDS)
            try:
                await queue.deliver(client, settings.traces_url)
            except Exception:  # noqa: BLE001 - a span that cannot be encoded must not end the delivery
                _LOG.warning("spans not delivered", exc_info=True)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        over.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(task, _END_SECONDS)
        queue.drop()


class span:  # noqa: N801 - used as `contextlib.contextmanager` would be, at half the CPU
    """A span that carries the correlation ID; `parent` is a carrier of W3C trace context, if one came in."""

    def __init__(self, name: str, kind: SpanKind, parent: Mapping[str, str] | None = None) -> None:
        """Start it at `__enter__`."""
        self._name, self._kind, self._parent = name, kind, parent

    def __enter__(self) -> Span:
        """Start the span, and make it the current one."""
        at = exchange.current()
        above = _PROPAGATOR.extract(self._parent) if self._parent else otel_context.get_current()
        attributes = {CORRELATION_ATTRIBUTE: at.correlation_id}
        self._span = _Spans.tracer.start_span(self._name, above, self._kind, attributes)
        self._before = otel_context.attach(trace.set_span_in_context(self._span, above))
        found = self._span.get_span_context()
        if found.is_valid:
            at.trace_id = trace.format_trace_id(found.trace_id)
        return self._span

    def __exit__(
        self, _: type[BaseException] | None, value: BaseException | None, __: TracebackType | None
    ) -> None:
        """End it."""
        otel_context.detach(self._before)
        if isinstance(value, Exception):
            fail(self._span, f"{type(value).__name__}: {value}")
        self._span.end()


def fail(opened: Span, reason: str) -> None:
    """Mark a span as failed."""
    opened.set_status(StatusCode.ERROR, reason)


def outgoing() -> dict[str, str]:
    """Headers that carry trace context and correlation ID to another service."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    if correlation := exchange.current().correlation_id:
        carrier[exchange.CORRELATION_HEADER] = correlation
        carrier["baggage"] = f"correlation.id={correlation}"
    return carrier
