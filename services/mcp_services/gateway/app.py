"""The API of mcp-gateway: `/mcp`, `/api/v1/*` and the protected-resource metadata."""

import contextlib
import math
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from mcp.shared.inbound import MCP_METHOD_HEADER, MCP_PROTOCOL_VERSION_HEADER
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mcp_services.core import exchange, jsonrpc, metrics, relay, tracing
from mcp_services.core.follow import Follower, NotLoadedError
from mcp_services.core.headers import doubled
from mcp_services.core.identity import InternalTokens, InvalidTokenError, Subject
from mcp_services.core.serve import Role, straight
from mcp_services.core.settings import RoleSettings
from mcp_services.core.upstream import HttpClient, Outgoing, Pool, UnavailableError, http_client
from mcp_services.documents import GatewayDocument, Limits
from mcp_services.gateway.auth import Authenticator, UnauthenticatedError
from mcp_services.gateway.limits import Places, RateLimiter

METHODS = frozenset(
    {"server/discover", "initialize", "notifications/initialized", "ping", "tools/list", "tools/call"}
    | {"resources/list", "resources/read", "prompts/list", "prompts/get", "completion/complete"}
)
"""Method names that become metric labels."""

_REPEATABLE = frozenset({"server/discover", "tools/list", "resources/list", "resources/read", "prompts/list"})
_LONGEST_SECONDS = 600.0
_METADATA_PATH = "/.well-known/oauth-protected-resource/mcp"


class GatewaySettings(RoleSettings):
    """Settings of mcp-gateway; docs/services.md describes each."""

    policy_url: str = "http://mcp-policy-proxy:8080"
    public_url: str = "http://localhost:8080"
    audience: str = ""
    issuer: str = ""
    jwks_file: Path = Path("/etc/mcp/auth/jwks.json")
    jwks_url: str = ""
    api_keys_file: Path = Path("/etc/mcp/auth/api-keys.json")
    max_body_bytes: int = 4 * 1024 * 1024
    body_seconds: float = 30.0


class _Refused(Exception):  # noqa: N818 - carries an answer, not a fault
    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class Gateway:
    """Checks each request, then passes it on under an internal token."""

    def __init__(self, settings: GatewaySettings, document: Follower[GatewayDocument]) -> None:
        """Serve as `settings` and the document of the moment say."""
        self.settings = settings
        self.document = document
        self.tokens = InternalTokens(settings.internal_key_file, "mcp-gateway")
        self.authenticator = Authenticator(
            jwks_file=settings.jwks_file,
            jwks_url=settings.jwks_url,
            api_keys_file=settings.api_keys_file,
            audience=settings.audience or f"{settings.public_url}/mcp",
            issuer=settings.issuer,
        )
        self._public_host = _without_port(urlsplit(settings.public_url).netloc).lower()
        self._limiter = RateLimiter()
        self._places = Places()
        self._client: aiohttp.ClientSession | None = None
        self._pool: Pool | None = None

    def connect(self, client: HttpClient) -> None:
        """Use `client` for all calls."""
        self._client = client.session
        self._pool = Pool("mcp-gateway", "mcp-policy-proxy", self.settings.policy_url, client)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request to `/mcp` or `/api/v1`."""
        request = Request(scope, receive)
        at = exchange.current()
        try:
            limits = self._check_address(at.headers)
            subject = await self._authenticate(at.headers)
            at.subject = subject.id
            self._limit(subject, limits)
            with self._places.taken(subject.key):
                body = await self._body(request)
                await self._pass_on(request, body, subject, receive, send)
        except _Refused as refusal:
            await refusal.response(scope, receive, send)
        except ClientDisconnect:
            at.outcome = "disconnected"

    def _check_address(self, headers: Mapping[str, str]) -> Limits:
        try:
            document = self.document.value
        except NotLoadedError:
            raise _Refused(jsonrpc.unavailable("configuration not loaded")) from None
        name = _without_port(headers.get("host", ""))
        # The address that clients are told is served, whatever the document adds to it.
        if "*" not in document.hosts and name not in document.hosts and name.lower() != self._public_host:
            raise _Refused(jsonrpc.error(421, jsonrpc.REFUSED, "host not served here"))
        origin = headers.get("origin")
        if origin is not None and origin not in document.origins:
            raise _Refused(jsonrpc.error(403, jsonrpc.REFUSED, "origin not allowed"))
        return document.limits

    async def _authenticate(self, headers: Mapping[str, str]) -> Subject:
        assert self._client is not None  # noqa: S101 - connected before the first request
        try:
            return await self.authenticator.authenticate(
                headers.get("authorization"), headers.get("x-api-key"), self._client
            )
        except UnauthenticatedError as error:
            metrics.AUTH_FAILURES.labels(error.reason).inc()
            challenge = f'Bearer resource_metadata="{self.settings.public_url}{_METADATA_PATH}"'
            if error.reason != "missing":
                challenge += ', error="invalid_token"'
            message = f"not authenticated: {error.reason}"
            response = jsonrpc.error(401, jsonrpc.UNAUTHORIZED, message)
            response.headers["WWW-Authenticate"] = challenge
            raise _Refused(response) from None

    def _limit(self, subject: Subject, limits: Limits) -> None:
        wait = self._limiter.take(subject.key, limits)
        if wait > 0:
            metrics.RATELIMITED.labels("subject").inc()
            response = jsonrpc.error(429, jsonrpc.LIMITED, "too many requests")
            response.headers["Retry-After"] = str(math.ceil(wait))
            raise _Refused(response)
        if full := self._places.full(subject.key, limits):
            metrics.RATELIMITED.labels(full).inc()
            raise _Refused(jsonrpc.unavailable("too many requests at once"))

    async def _body(self, request: Request) -> bytes:
        try:
            return await relay.read_body(request, self.settings.max_body_bytes, self.settings.body_seconds)
        except relay.UNREAD as error:
            raise _Refused(relay.unread(error)) from None

    async def _pass_on(
        self, request: Request, body: bytes, subject: Subject, receive: Receive, send: Send
    ) -> None:
        assert self._pool is not None  # noqa: S101 - connected before the first request
        at, mcp = exchange.current(), request.scope["path"] == "/mcp"
        modern = at.headers.get(MCP_PROTOCOL_VERSION_HEADER) in MODERN_PROTOCOL_VERSIONS
        if mcp and (twice := doubled(at.headers, request.scope["headers"])):
            raise _Refused(
                jsonrpc.error(400, jsonrpc.HEADER_MISMATCH, f"{twice} header appears more than once")
            )
        method = at.headers.get(MCP_METHOD_HEADER, "") if modern else ""
        if mcp:
            at.method = method if method in METHODS else ("legacy" if not modern else "_other")
        else:
            at.method = "api"
        path = "/mcp" if mcp else _api_path(request.scope)
        with tracing.span(f"gateway {at.method}", SpanKind.SERVER, _trace_parent(at.headers, body)) as opened:
            opened.set_attribute("mcp.subject", subject.id)
            try:
                headers = relay.forwarded(at.headers) | tracing.outgoing()
                headers["Authorization"] = f"Bearer {self.tokens.mint(subject)}"
                repeatable = method in _REPEATABLE or request.method == "GET"
                out = Outgoing(request.method, path, headers, body, _LONGEST_SECONDS, repeatable)
                async with self._pool.request(out) as upstream:
                    await relay.answer(upstream, send)
            except (UnavailableError, InvalidTokenError, TimeoutError) as error:
                tracing.fail(opened, str(error))
                response = relay.unanswered(error, "the service behind is not available")
                await response(request.scope, receive, send)


def _without_port(authority: str) -> str:
    name, _, port = authority.rpartition(":")
    return name if name and port.isdigit() else authority


def _api_path(scope: Scope) -> str:
    """The path of a request to `/api` and its query as they came, since the next hop decodes them too."""
    path: str = scope["raw_path"].decode("latin-1")
    query: str = scope["query_string"].decode("latin-1")
    if not path.startswith("/api/"):
        raise _Refused(jsonrpc.reply({"error": "no such resource"}, 404))
    return path.removeprefix("/api") + (f"?{query}" if query else "")


def _trace_parent(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """The caller's trace context: newer protocol versions carry it in `_meta`, where W3C wants a header."""
    if b'"traceparent"' in body:
        with contextlib.suppress(orjson.JSONDecodeError, KeyError, TypeError):
            meta: dict[str, Any] = orjson.loads(body)["params"]["_meta"]
            return {name: str(meta[name]) for name in ("traceparent", "tracestate") if name in meta}
    return {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}


def build() -> Role:
    """mcp-gateway."""
    settings = GatewaySettings()
    document = Follower("mcp-gateway", "gateway", settings, GatewayDocument.model_validate)
    gateway = Gateway(settings, document)

    class Endpoint:
        """A class, since Starlette hands requests unwrapped only to those."""

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await gateway.serve(scope, receive, send)

    async def metadata(_: Request) -> Response:
        exchange.current().method = "metadata"
        described: dict[str, object] = {
            "resource": f"{settings.public_url}/mcp",
            "bearer_methods_supported": ["header"],
        }
        if settings.issuer:
            described["authorization_servers"] = [settings.issuer]
        return jsonrpc.reply(described)

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with (
            http_client() as client,
            tracing.exporting("mcp-gateway", settings, client.session),
            document.following(client.session),
        ):
            gateway.connect(client)
            yield

    routes = [
        Route("/mcp", Endpoint(), methods=["POST"]),
        Route("/api/v1/{rest:path}", Endpoint(), methods=["GET", "POST", "DELETE"]),
        Route("/.well-known/oauth-protected-resource", metadata),
        Route(_METADATA_PATH, metadata),
    ]
    return Role(
        "mcp-gateway",
        settings,
        straight("/mcp", gateway.serve, Starlette(routes=routes)),
        lifespan,
        lambda: document.loaded and gateway.tokens.ready() and gateway.authenticator.ready(),
    )
