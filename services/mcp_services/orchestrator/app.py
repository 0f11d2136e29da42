"""The API of mcp-orchestrator-api: `/mcp`, `/v1/workflows/*` and `/v1/runs/*`, for the policy proxy alone."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from mcp_services.core import exchange, jsonrpc, relay, tracing
from mcp_services.core.follow import Follower
from mcp_services.core.identity import InternalTokens, InvalidTokenError, Subject
from mcp_services.core.serve import Role
from mcp_services.core.settings import RoleSettings
from mcp_services.core.upstream import HttpClient, Outgoing, Pool, UnavailableError, http_client
from mcp_services.documents import Phase, ServersDocument, Step, WorkflowsDocument
from mcp_services.orchestrator.direct import DirectCalls
from mcp_services.orchestrator.federation import SEPARATOR, Federation
from mcp_services.orchestrator.rest import RestApi
from mcp_services.orchestrator.runs import DurableRuns
from mcp_services.orchestrator.server import EXCHANGE_KEY, SUBJECT_KEY, Orchestrator
from mcp_services.orchestrator.workflow import Engine, RefusedError

_ROLE = "mcp-orchestrator-api"
_DECIDE_SECONDS = 2.0
_MOST_BYTES = 4 * 1024 * 1024
_METHODS = frozenset({"server/discover", "tools/list", "tools/call"})


class OrchestratorSettings(RoleSettings):
    """Settings of mcp-orchestrator-api; docs/services.md describes each."""

    policy_url: str = "http://mcp-policy-proxy:8080"
    server_tokens_dir: Path = Path("/etc/mcp/servers")
    runs_dir: str = ""
    runs_keep_seconds: float = 7 * 24 * 3600.0


class PolicyAsker:
    """Asks the policy proxy about each step of a workflow."""

    def __init__(self, settings: OrchestratorSettings, tokens: InternalTokens) -> None:
        """Ask under this service's own name."""
        self._settings, self._tokens = settings, tokens
        self._pool: Pool | None = None

    def connect(self, client: HttpClient) -> None:
        """Use `client`."""
        self._pool = Pool(_ROLE, "mcp-policy-proxy", self._settings.policy_url, client)

    async def __call__(
        self, phase: Phase, subject: Subject, step: Step, facts: Mapping[str, Any], workflow: str
    ) -> None:
        """Return if the step may run, or its result be used; `facts` are its arguments or the result's.

        Raises:
            RefusedError: It may not, or nobody said that it may.
        """
        assert self._pool is not None  # noqa: S101 - connected before the first request
        tool = f"{step.server}{SEPARATOR}{step.tool}"
        question = {
            "subject": subject.as_dict(),
            "tool": tool,
            "phase": phase.value,
            "args" if phase is Phase.CALL else "result": facts,
            "workflow": workflow,
        }
        try:
            headers = tracing.outgoing() | {
                "Authorization": f"Bearer {self._tokens.mint(Subject(_ROLE, 'service'))}",
                "Content-Type": "application/json",
            }
            body = orjson.dumps(question)
            out = Outgoing("POST", "/v1/decide", headers, body, _DECIDE_SECONDS, repeatable=True)
            async with self._pool.request(out) as answer:
                status, decision = answer.status, orjson.loads(await answer.read())
        except (UnavailableError, TimeoutError, InvalidTokenError, orjson.JSONDecodeError) as error:
            raise RefusedError(f"{tool}: no decision, so refused ({type(error).__name__})") from error
        if status != HTTPStatus.OK:
            raise RefusedError(f"{tool}: no decision, so refused (HTTP {status})")
        if decision.get("allowed") is not True:
            raise RefusedError(f"{tool}: refused by rule {decision.get('rule', 'unknown')!r}")


class Doorkeeper:
    """Lets in requests with an internal token and leaves the caller in the scope."""

    def __init__(
        self, tokens: InternalTokens, mcp: Callable[[Scope, Receive, Send], Awaitable[None]], rest: Starlette
    ) -> None:
        """Guard `mcp` and `rest`."""
        self._tokens, self._mcp, self._rest = tokens, mcp, rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        at = exchange.current()
        try:
            caller = self._tokens.verify(at.headers.get("authorization"))
        except InvalidTokenError as error:
            return await jsonrpc.error(401, jsonrpc.UNAUTHORIZED, str(error))(scope, receive, send)
        at.subject = caller.id
        try:
            body = await relay.read_body(Request(scope, receive), _MOST_BYTES)
        except relay.UNREAD as error:
            return await relay.unread(error)(scope, receive, send)
        except ClientDisconnect:
            at.outcome = "disconnected"
            return None
        scope[SUBJECT_KEY], scope[EXCHANGE_KEY] = caller, at
        is_mcp = scope["path"] == "/mcp"
        method = at.headers.get("mcp-method", "legacy")
        at.method = (
            (method if method in _METHODS else "legacy" if method == "legacy" else "_other")
            if is_mcp
            else "api"
        )
        with tracing.span(f"orchestrator {at.method}", SpanKind.SERVER, at.headers):
            await (self._mcp if is_mcp else self._rest)(scope, relay.replayed(body, receive), send)
        return None


def build() -> Role:
    """mcp-orchestrator-api."""
    settings = OrchestratorSettings()
    tokens = InternalTokens(settings.internal_key_file, _ROLE)
    asker = PolicyAsker(settings, tokens)
    federation = Federation(settings.server_tokens_dir)
    servers = Follower(_ROLE, "servers", settings, ServersDocument.model_validate)
    workflows = Follower(_ROLE, "workflows", settings, WorkflowsDocument.model_validate)
    servers.on_change(federation.follow)
    engine = Engine(federation.call, asker)
    durable = None
    if settings.runs_dir:

        def reaches(names: Iterable[str]) -> bool:
            return servers.loaded and federation.reaches(names)

        durable = DurableRuns(Path(settings.runs_dir), engine, settings.runs_keep_seconds, reaches)
    orchestrator = Orchestrator(
        federation, engine, lambda: workflows.value if workflows.loaded else WorkflowsDocument(), durable
    )
    server = orchestrator.mcp_server()
    # The Host header names a Service here; who may come is the network policy's and the token's business.
    trusted = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    plain = StreamableHTTPSessionManager(
        server, json_response=True, stateless=True, security_settings=trusted
    )
    streamed = StreamableHTTPSessionManager(
        server, json_response=False, stateless=True, security_settings=trusted
    )

    direct = DirectCalls(orchestrator, server, plain.handle_request)

    async def mcp(scope: Scope, receive: Receive, send: Send) -> None:
        # Only a workflow has progress to stream; plain JSON is much the cheaper answer for all else.
        headers = exchange.current().headers
        long = relay.STREAM_HEADER.lower() in headers and "text/event-stream" in headers.get("accept", "")
        await (streamed.handle_request if long else direct)(scope, receive, send)

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with (
            http_client() as client,
            tracing.exporting(_ROLE, settings, client.session),
            federation.connected(client),
            servers.following(client.session),
            workflows.following(client.session),
            plain.run(),
            streamed.run(),
        ):
            asker.connect(client)
            async with durable.adopting() if durable else contextlib.nullcontext():
                yield

    app = Doorkeeper(tokens, mcp, Starlette(routes=RestApi(orchestrator).routes()))
    ready = lambda: servers.loaded and workflows.loaded and tokens.ready()  # noqa: E731
    return Role(_ROLE, settings, app, lifespan, ready)
