"""Spans by the OpenTelemetry API, delivered by the event loop itself.

The SDK's own batch processor needs a thread, and its shutdown took 30.0 s with a dead receiver, which is the
default grace period of a pod. Here a full queue or a dead receiver drops spans, counts them; nothing waits.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from types import TracebackType

import aiohttp
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mcp_services.core import exchange
from mcp_services.core.settings import RoleSettings
from mcp_services.core.spans import Queue

CORRELATION_ATTRIBUTE = "correlation.id"

_LOG = logging.getLogger(__name__)
_PROPAGATOR = TraceContextTextMapPropagator()
_PARENT_HEADER = "traceparent"
_NOTHING = otel_context.Context()
_NOT_RECORDED = trace.NoOpTracer()
_BATCH, _FLUSH_SECONDS, _END_SECONDS = 512, 1.0, 3.0


class _Spans:
    """Makes the spans of this process, while they are recorded.

    No provider is made the process's own on purpose: the MCP SDK then makes none of its own beside ours. Its
    two a call say nothing that ours do not.
    """

    queue: Queue | None = None


async def _deliver(queue: Queue, client: aiohttp.ClientSession, url: str) -> None:
    while spans := queue.take(_BATCH):
        taken = False
        try:
            async with client.post(
                f"{url}/v1/traces",
                data=queue.encoded(spans),
                headers={"Content-Type": "application/x-protobuf"},
                timeout=aiohttp.ClientTimeout(total=_END_SECONDS),
            ) as answer:
                taken = answer.status < HTTPStatus.BAD_REQUEST
        except (aiohttp.ClientError, OSError):
            return
        finally:
            # Also where the process ends meanwhile.
            if not taken:
                queue.drop(len(spans))


@contextlib.asynccontextmanager
async def exporting(role: str, settings: RoleSettings, client: aiohttp.ClientSession) -> AsyncIterator[None]:
    """Record spans and deliver them to `settings.traces_url` once a second while the block runs."""
    if not settings.traces_url:
        yield
        return
    queue = _Spans.queue = Queue(role, settings.trace_ratio)

    over = asyncio.Event()

    async def work() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), _FLUSH_SECONDS)
            try:
                await _deliver(queue, client, settings.traces_url)
            except Exception:  # noqa: BLE001 - spans that cannot be delivered must not end the delivery
                _LOG.warning("spans not delivered", exc_info=True)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        _Spans.queue = None
        over.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(task, _END_SECONDS)
        queue.drop(len(queue))


class span:  # noqa: N801 - used as `contextlib.contextmanager` would be, at half the CPU
    """A span that carries the correlation ID; `parent` is a carrier of W3C trace context, if one came in."""

    def __init__(self, name: str, kind: SpanKind, parent: Mapping[str, str] | None = None) -> None:
        """Start it at `__enter__`."""
        self._name, self._kind, self._parent = name, kind, parent

    def __enter__(self) -> Span:
        """Start the span, and make it the current one."""
        at = exchange.current()
        if not self._parent:
            above = otel_context.get_current()
        else:
            # Most carriers are all headers of a request, and most callers from outside send no parent.
            above = _PROPAGATOR.extract(self._parent) if _PARENT_HEADER in self._parent else _NOTHING
        queue = _Spans.queue
        if queue is None:
            self._span = _NOT_RECORDED.start_span(self._name, above)
        else:
            attributes = {CORRELATION_ATTRIBUTE: at.correlation_id}
            self._span = queue.start(self._name, above, self._kind, attributes)
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
