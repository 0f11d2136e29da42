"""No span is lost without being counted, and none holds up the end of a process."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from mcp_services.core import tracing
from mcp_services.core.settings import RoleSettings
from mcp_services.core.upstream import http_client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliver soon, and end soon."""
    monkeypatch.setattr(tracing, "_FLUSH_SECONDS", 0.05)
    monkeypatch.setattr(tracing, "_END_SECONDS", 0.5)


@asynccontextmanager
async def exporting(role: str, handler: Handler) -> AsyncIterator[None]:
    """Have the spans of this process delivered to a receiver that answers by `handler`."""
    app = web.Application()
    app.router.add_post("/v1/traces", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = RoleSettings(traces_url=f"http://127.0.0.1:{runner.addresses[0][1]}")
    async with http_client() as client, tracing.exporting(role, settings, client.session):
        yield
    await runner.cleanup()


def dropped(role: str) -> float:
    """How many spans were."""
    return REGISTRY.get_sample_value("mcp_spans_dropped_total", {"role": role}) or 0.0


async def test_what_is_being_delivered_at_the_end_is_delivered_and_all_that_came_since() -> None:
    arrived, names = asyncio.Event(), list[str]()

    async def receive(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await asyncio.sleep(0.1)
        asked = ExportTraceServiceRequest.FromString(await request.read())
        names.extend(span.name for span in asked.resource_spans[0].scope_spans[0].spans)
        return web.Response()

    async with exporting("delivering", receive):
        with tracing.span("first", SpanKind.SERVER):
            pass
        await asyncio.wait_for(arrived.wait(), 5)
        with tracing.span("second", SpanKind.SERVER):
            pass
    assert names == ["first", "second"]
    assert dropped("delivering") == 0


async def test_a_receiver_that_does_not_answer_costs_spans_which_are_counted_and_little_time() -> None:
    arrived = asyncio.Event()

    async def receive(_: web.Request) -> web.StreamResponse:
        arrived.set()
        await asyncio.sleep(60)
        return web.Response()

    async with exporting("waiting", receive):
        with tracing.span("first", SpanKind.SERVER):
            pass
        await asyncio.wait_for(arrived.wait(), 5)
        with tracing.span("second", SpanKind.SERVER):
            pass
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    assert dropped("waiting") == 2
