"""The API of mcp-tracehub: `POST /v1/traces`, `GET /v1/correlations/{id}`, `GET /v1/traces/{id}`."""

import asyncio
import contextlib
import logging
import zlib
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mcp_services.core import exchange, metrics, relay
from mcp_services.core.api_keys import ApiKeys, bearer
from mcp_services.core.jsonrpc import reply
from mcp_services.core.room import NoRoomError
from mcp_services.core.serve import Role
from mcp_services.core.settings import RoleSettings
from mcp_services.core.upstream import HttpClient, Pool, http_client
from mcp_services.tracehub import bound, redact
from mcp_services.tracehub.store import Span, Store, read

_LOG = logging.getLogger(__name__)
_ROLE = "mcp-tracehub"
_MOST_BYTES = 8 * 1024 * 1024
_QUEUE_REQUESTS, _QUEUE_BYTES = 256, 16 * 1024 * 1024
_END_SECONDS = 3.0
_CREDENTIALS = ("authorization", "x-api-key")
_SERVICES = frozenset(
    {"mcp-gateway", "mcp-policy-proxy", "mcp-orchestrator-api", "mcp-config", _ROLE, "example-tools"}
)


class TracehubSettings(RoleSettings):
    """Settings of mcp-tracehub; docs/services.md describes each."""

    peers_url: str = ""
    api_keys_file: Path = Path("/etc/mcp/auth/api-keys.json")
    jaeger_otlp_url: str = ""
    max_traces: int = 5000
    max_trace_bytes: int = 48 * 1024 * 1024


class Forwarder:
    """Sends spans on to Jaeger; what does not fit its queue is dropped and counted."""

    def __init__(self, url: str) -> None:
        """Forward to the OTLP/HTTP receiver at `url`; nothing at all when that is empty."""
        self._url = url
        self._queue: deque[tuple[bytes, int]] = deque()
        self._filled, self._emptied = asyncio.Event(), asyncio.Event()
        self._emptied.set()
        self.size = 0

    def put(self, body: bytes, spans: int) -> None:
        """Queue an encoded request."""
        if not self._url:
            return
        self._queue.append((body, spans))
        self.size += len(body)
        while len(self._queue) > _QUEUE_REQUESTS or self.size > _QUEUE_BYTES:
            metrics.SPANS_DROPPED.labels(_ROLE).inc(self._take())
        metrics.HUB_QUEUE.set(sum(count for _, count in self._queue))
        self._emptied.clear()
        self._filled.set()

    def _take(self) -> int:
        body, spans = self._queue.popleft()
        self.size -= len(body)
        return spans

    async def run(self, client: aiohttp.ClientSession) -> None:
        """Send what is queued, until cancelled; a receiver that fails is tried again each second."""
        while True:
            await self._filled.wait()
            while self._queue:
                body, spans = self._queue[0]
                try:
                    async with client.post(
                        f"{self._url}/v1/traces",
                        data=body,
                        headers={"Content-Type": "application/x-protobuf"},
                        timeout=aiohttp.ClientTimeout(total=5),
                    ) as answer:
                        if answer.status >= 500:  # noqa: PLR2004
                            raise aiohttp.ClientPayloadError(str(answer.status))
                        if answer.status >= 400:  # noqa: PLR2004
                            metrics.SPANS_DROPPED.labels(_ROLE).inc(spans)
                except (aiohttp.ClientError, OSError) as error:
                    _LOG.warning("spans not forwarded", extra={"error": repr(error)})
                    await asyncio.sleep(1)
                    continue
                if self._queue and self._queue[0][0] is body:
                    self._take()
                metrics.HUB_QUEUE.set(sum(count for _, count in self._queue))
            self._filled.clear()
            self._emptied.set()

    @contextlib.asynccontextmanager
    async def running(self, client: aiohttp.ClientSession) -> AsyncIterator[None]:
        """Send while the block runs, and for 3 s more what is left; the rest is counted as dropped."""
        task = asyncio.create_task(self.run(client))
        try:
            yield
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), _END_SECONDS)
            task.cancel()
            while self._queue:
                metrics.SPANS_DROPPED.labels(_ROLE).inc(self._take())


class Tracehub:
    """Receives and finds."""

    def __init__(self, settings: TracehubSettings) -> None:
        """Keep as many traces as `settings` say."""
        self.settings = settings
        self.store = Store(settings.max_traces, settings.max_trace_bytes)
        self._keys = ApiKeys(settings.api_keys_file)
        self.forwarder = Forwarder(settings.jaeger_otlp_url)
        self._client: aiohttp.ClientSession | None = None
        self._peers: Pool | None = None

    def connect(self, client: HttpClient) -> None:
        """Use `client` to ask the other pods."""
        self._client = client.session
        if self.settings.peers_url:
            self._peers = Pool(_ROLE, _ROLE, self.settings.peers_url, client)

    async def receive(self, request: Request) -> Response:
        """Answer `POST /v1/traces` (OTLP/HTTP, protobuf or JSON, gzip or plain)."""
        exchange.current().method = "traces/export"
        asked = ExportTraceServiceRequest()
        try:
            body = await relay.read_body(request, _MOST_BYTES)
            if request.headers.get("content-encoding") == "gzip":
                body = _gunzip(body)
            if request.headers.get("content-type", "").startswith("application/json"):
                Parse(body, asked, ignore_unknown_fields=True)
            else:
                asked.ParseFromString(body)
        except relay.TooLargeError:
            return reply({"error": "too large"}, 413)
        except NoRoomError as error:
            return relay.unread(error)
        except (DecodeError, ParseError, OSError, EOFError, zlib.error, UnicodeDecodeError):
            return reply({"error": "no OTLP trace request"}, 400)
        redact.request(asked)
        count = 0
        for service, span in read(asked):
            kept = self.store.add(service, span)
            label = service if service in _SERVICES else "_other"
            metrics.HUB_SPANS.labels(label, "kept" if kept else "dropped").inc()
            count += 1
        if self.settings.jaeger_otlp_url:
            # Only now, as the store keeps all attributes.
            bound.request(asked)
            self.forwarder.put(asked.SerializeToString(), count)
        return Response(ExportTraceServiceResponse().SerializeToString(), media_type="application/x-protobuf")

    async def trace(self, request: Request) -> Response:
        """Answer `GET /v1/traces/{id}`."""
        exchange.current().method = "traces/read"
        if not self._may_read(request):
            return _unauthenticated()
        trace_id = request.path_params["id"].lower()
        spans = {span["spanId"]: span for span in self.store.trace(trace_id)}
        for answer in await self._ask_peers(request, f"/v1/traces/{trace_id}"):
            spans.update({span["spanId"]: span for span in answer.get("spans", [])})
        ordered = _ordered(spans)
        return reply({"traceId": trace_id, "spans": ordered}, 200 if ordered else 404)

    async def correlation(self, request: Request) -> Response:
        """Answer `GET /v1/correlations/{id}`."""
        exchange.current().method = "correlations/read"
        if not self._may_read(request):
            return _unauthenticated()
        correlation_id = request.path_params["id"]
        found: dict[str, dict[str, Span]] = {
            one: {span["spanId"]: span for span in self.store.trace(one)}
            for one in self.store.correlated(correlation_id)
        }
        for answer in await self._ask_peers(request, f"/v1/correlations/{correlation_id}"):
            for trace in answer.get("traces", []):
                theirs = {span["spanId"]: span for span in trace["spans"]}
                found.setdefault(trace["traceId"], {}).update(theirs)
        traces = [{"traceId": one, "spans": _ordered(spans)} for one, spans in sorted(found.items())]
        return reply({"correlationId": correlation_id, "traces": traces}, 200 if traces else 404)

    def _may_read(self, request: Request) -> bool:
        # Traces tell who called what, so whoever gets to the port shows a key as at the gateway.
        shown = request.headers.get("x-api-key") or bearer(request.headers.get("authorization"))
        return bool(shown) and self._keys.subject(shown) is not None

    async def _ask_peers(self, request: Request, path: str) -> list[dict[str, list[Any]]]:
        if self._peers is None or self._client is None or "local" in request.query_params:
            return []
        client = self._client
        shown = {name: value for name in _CREDENTIALS if (value := request.headers.get(name))}

        async def ask(base: str) -> dict[str, list[Any]]:
            with contextlib.suppress(aiohttp.ClientError, OSError, orjson.JSONDecodeError):
                async with client.get(
                    f"{base}{path}?local=1", headers=shown, timeout=aiohttp.ClientTimeout(total=2)
                ) as answer:
                    found: dict[str, list[Any]] = orjson.loads(await answer.read())
                    return found
            return {}

        bases = [str(address.base).rstrip("/") for address in await self._peers.addresses()]
        return list(await asyncio.gather(*map(ask, bases)))


def _unauthenticated() -> Response:
    answer = reply({"error": "an API key is needed"}, 401)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _ordered(spans: dict[str, Span]) -> list[Span]:
    return sorted(spans.values(), key=lambda span: float(span["start"]))


def _gunzip(body: bytes) -> bytes:
    # A small body may unpack to gigabytes.
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    unpacked = unpacking.decompress(body, _MOST_BYTES + 1)
    if len(unpacked) > _MOST_BYTES:
        raise relay.TooLargeError
    if not unpacking.eof or unpacking.unused_data:
        raise zlib.error("no whole gzip member, or more than one")
    return unpacked


def build() -> Role:
    """mcp-tracehub."""
    settings = TracehubSettings()
    hub = Tracehub(settings)

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with http_client() as client:
            hub.connect(client)
            async with hub.forwarder.running(client.session):
                yield

    routes = [
        Route("/v1/traces", hub.receive, methods=["POST"]),
        Route("/v1/traces/{id}", hub.trace),
        Route("/v1/correlations/{id}", hub.correlation),
    ]
    return Role(_ROLE, settings, Starlette(routes=routes), lifespan, lambda: True)
