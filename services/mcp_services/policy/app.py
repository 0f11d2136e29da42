"""The API of mcp-policy-proxy: in line on `/mcp` and `/v1/*`, and asked on `/v1/decide`."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import orjson
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mcp_services.core import exchange, jsonrpc, relay, tracing
from mcp_services.core.follow import Follower
from mcp_services.core.identity import InternalTokens, InvalidTokenError, Subject
from mcp_services.core.serve import Role
from mcp_services.core.settings import RoleSettings
from mcp_services.core.upstream import Pool, UnavailableError, http_client
from mcp_services.documents import Phase, PoliciesDocument
from mcp_services.policy import messages
from mcp_services.policy.engine import CelEngine, Decision, Engine, Question

_MOST_BYTES = 4 * 1024 * 1024
_ORCHESTRATOR = "mcp-orchestrator-api"


class PolicySettings(RoleSettings):
    """Settings of mcp-policy-proxy; docs/services.md describes each."""

    orchestrator_url: str = "http://mcp-orchestrator-api:8080"
    internal_key_file: Path = Path("/etc/mcp/internal/key")


def rest_question(method: str, path: str, subject: Subject) -> Question | None:
    """The call that a REST request amounts to, so that one set of rules covers both ways in."""
    parts = path.strip("/").split("/")
    match method, parts:
        case "GET", ["v1", "workflows"]:
            return Question(Phase.CALL, subject, "workflow_list")
        case "POST", ["v1", "workflows", name, "runs"]:
            return Question(Phase.CALL, subject, "workflow_run", {"workflow": name})
        case "GET", ["v1", "runs", run]:
            return Question(Phase.CALL, subject, "workflow_status", {"run": run})
        case "DELETE", ["v1", "runs", run]:
            return Question(Phase.CALL, subject, "workflow_cancel", {"run": run})
        case _:
            return None


def refusal(decision: Decision, tool: str, request_id: object) -> Response:
    """403, naming the rule."""
    data = {"rule": decision.rule, "reason": decision.reason, "tool": tool}
    message = f"refused by rule {decision.rule!r}: {decision.reason}"
    return jsonrpc.error(403, jsonrpc.REFUSED, message, request_id, data)


class PolicyProxy:
    """Stands between gateway and orchestrator."""

    def __init__(self, settings: PolicySettings, engine: Callable[[], Engine]) -> None:
        """Decide by the engine of the moment."""
        self._settings = settings
        self._engine = engine
        self.tokens = InternalTokens(settings.internal_key_file, "mcp-policy-proxy")
        self._pool: Pool | None = None

    def connect(self, client: aiohttp.ClientSession) -> None:
        """Use `client` for all calls."""
        self._pool = Pool("mcp-policy-proxy", _ORCHESTRATOR, self._settings.orchestrator_url, client)

    async def mcp(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `POST /mcp`."""
        request = Request(scope, receive)
        try:
            subject = self.tokens.verify(request.headers.get("authorization"))
            exchange.current().subject = subject.id
            body = await relay.read_body(request, _MOST_BYTES)
            message = messages.read(body, dict(request.headers), request.headers.items())
        except InvalidTokenError as error:
            return await jsonrpc.error(401, jsonrpc.UNAUTHORIZED, str(error))(scope, receive, send)
        except messages.MalformedError as error:
            response = jsonrpc.error(400, error.code, error.message, error.request_id)
            return await response(scope, receive, send)
        except relay.TooLargeError:
            return await jsonrpc.error(413, -32600, "body too large")(scope, receive, send)
        except ClientDisconnect:
            return None
        known = message.method in messages.PASSED or message.method in {"tools/list", "tools/call"}
        exchange.current().method = message.method if known else "_other"
        with tracing.span(
            f"policy {exchange.current().method}", SpanKind.SERVER, dict(request.headers)
        ) as opened:
            tool = str(message.params.get("name", "")) if message.method == "tools/call" else ""
            decision = self._before(message, subject, tool)
            if decision is not None:
                opened.set_attributes({"policy.rule": decision.rule, "policy.allowed": decision.allowed})
                if not decision.allowed:
                    return await refusal(decision, tool, message.id)(scope, receive, send)
            await self._forward(request, body, message, subject, tool, receive, send)
        return None

    def _before(self, message: messages.Message, subject: Subject, tool: str) -> Decision | None:
        if message.method == "tools/call":
            args = message.params.get("arguments")
            args = args if isinstance(args, dict) else {}
            return self._engine().decide(Question(Phase.CALL, subject, tool, args))
        if message.method == "tools/list" or message.method in messages.PASSED:
            return None
        return Decision(allowed=False, rule="default-deny", reason="method not offered")

    async def _forward(
        self,
        request: Request,
        body: bytes,
        message: messages.Message,
        subject: Subject,
        tool: str,
        receive: Receive,
        send: Send,
    ) -> None:
        headers = relay.forwarded(request.headers) | tracing.outgoing()
        headers["Authorization"] = request.headers["authorization"]
        engine, scope = self._engine(), request.scope
        try:
            async with self._upstream(
                "POST", "/mcp", headers, body, repeatable=message.method != "tools/call"
            ) as answer:
                is_json = answer.content_type == "application/json" and answer.status < 400  # noqa: PLR2004
                response: Response | None = None
                if message.method == "tools/list":
                    # A listing that cannot be read cannot be filtered either.
                    if not is_json and answer.status < 400:  # noqa: PLR2004
                        raise UnavailableError("listing in an unexpected form")
                    content = await answer.read()
                    if is_json:
                        content = messages.visible_tools(content, engine, subject, modern=message.modern)
                    response = Response(content, answer.status, relay.returned(answer.headers))
                elif message.method == "tools/call" and is_json and engine.needs(Phase.RESULT):
                    content = await answer.read()
                    question = Question(Phase.RESULT, subject, tool, result=messages.result_facts(content))
                    decision = engine.decide(question)
                    response = (
                        Response(content, answer.status, relay.returned(answer.headers))
                        if decision.allowed
                        else refusal(decision, tool, message.id)
                    )
                if response is None:
                    await relay.answer(answer, scope, receive, send)
                else:
                    await response(scope, receive, send)
        except UnavailableError:
            await _unavailable(message.id)(scope, receive, send)
        except TimeoutError:
            await jsonrpc.error(504, jsonrpc.UNAVAILABLE, "no answer in time", message.id)(
                scope, receive, send
            )

    async def rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `/v1/*`."""
        request = Request(scope, receive)
        exchange.current().method = "api"
        try:
            subject = self.tokens.verify(request.headers.get("authorization"))
            body = await relay.read_body(request, _MOST_BYTES)
        except InvalidTokenError as error:
            return await jsonrpc.error(401, jsonrpc.UNAUTHORIZED, str(error))(scope, receive, send)
        except relay.TooLargeError:
            return await jsonrpc.error(413, -32600, "body too large")(scope, receive, send)
        exchange.current().subject = subject.id
        question = rest_question(request.method, request.url.path, subject)
        if question is None:
            return await jsonrpc.reply({"error": "no such resource"}, 404)(scope, receive, send)
        with tracing.span("policy api", SpanKind.SERVER, dict(request.headers)):
            decision = self._engine().decide(question)
            if not decision.allowed:
                return await refusal(decision, question.tool, None)(scope, receive, send)
            headers = relay.forwarded(request.headers) | tracing.outgoing()
            headers["Authorization"] = request.headers["authorization"]
            path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            try:
                async with self._upstream(
                    request.method, path, headers, body, repeatable=request.method == "GET"
                ) as answer:
                    await relay.answer(answer, scope, receive, send)
            except (UnavailableError, TimeoutError):
                await _unavailable(None)(scope, receive, send)
        return None

    def _upstream(
        self, method: str, path: str, headers: dict[str, str], body: bytes, *, repeatable: bool
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        assert self._pool is not None  # noqa: S101 - connected before the first request
        return self._pool.request(
            method, path, headers=headers, data=body, timeout=590, repeatable=repeatable
        )

    async def decide(self, request: Request) -> Response:
        """Answer `POST /v1/decide`, which only our own services may ask."""
        exchange.current().method = "decide"
        try:
            caller = self.tokens.verify(request.headers.get("authorization"))
        except InvalidTokenError as error:
            return jsonrpc.reply({"error": str(error)}, 401)
        if caller.kind != "service":
            return jsonrpc.reply({"error": "only services may ask"}, 403)
        with tracing.span("policy decide", SpanKind.SERVER, dict(request.headers)):
            try:
                asked = orjson.loads(await request.body())
                who = asked["subject"]
                question = Question(
                    Phase(asked.get("phase", "call")),
                    Subject(who["id"], who["kind"], tuple(who["scopes"]), tuple(who["groups"])),
                    asked["tool"],
                    asked.get("args", {}),
                    asked.get("workflow", ""),
                    asked.get("result", {}),
                )
            except (ValueError, KeyError, TypeError):
                return jsonrpc.reply({"error": "send {subject, tool, phase, args, workflow}"}, 400)
            return jsonrpc.reply(self._engine().decide(question).as_dict())


def _unavailable(request_id: object) -> Response:
    again = {"Retry-After": "1"}
    return jsonrpc.error(503, jsonrpc.UNAVAILABLE, "orchestrator not available", request_id, headers=again)


def build() -> Role:
    """mcp-policy-proxy."""
    settings = PolicySettings()

    def compiled(document: object) -> CelEngine:
        return CelEngine(PoliciesDocument.model_validate(document))

    policies: Follower[CelEngine] = Follower("mcp-policy-proxy", "policies", settings, compiled)
    proxy = PolicyProxy(
        settings, lambda: policies.value if policies.loaded else CelEngine(PoliciesDocument())
    )

    class Mcp:
        """A class, since Starlette hands requests unwrapped only to those."""

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await proxy.mcp(scope, receive, send)

    class Rest:
        """The same for `/v1`."""

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await proxy.rest(scope, receive, send)

    async def shown(_: Request) -> Response:
        exchange.current().method = "policies"
        return jsonrpc.reply({"version": policies.version or None, "loaded": policies.loaded})

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with (
            http_client() as client,
            tracing.exporting("mcp-policy-proxy", settings, client),
            policies.following(client),
        ):
            proxy.connect(client)
            yield

    routes = [
        Route("/mcp", Mcp(), methods=["POST"]),
        Route("/v1/decide", proxy.decide, methods=["POST"]),
        Route("/v1/policies", shown),
        Route("/v1/{rest:path}", Rest(), methods=["GET", "POST", "DELETE"]),
    ]
    ready = lambda: policies.loaded and proxy.tokens.ready()  # noqa: E731
    return Role("mcp-policy-proxy", settings, Starlette(routes=routes), lifespan, ready)
