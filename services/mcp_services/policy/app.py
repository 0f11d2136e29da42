"""The API of mcp-policy-proxy: in line on `/mcp` and `/v1/*`, and asked on `/v1/decide`."""

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import orjson
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mcp_services.core import exchange, jsonrpc, relay, results, tracing
from mcp_services.core.follow import Follower
from mcp_services.core.hop import Answer
from mcp_services.core.identity import InternalTokens, InvalidTokenError, Subject
from mcp_services.core.serve import Role, straight
from mcp_services.core.settings import RoleSettings
from mcp_services.core.upstream import HttpClient, Outgoing, Pool, UnavailableError, http_client
from mcp_services.documents import Phase, PoliciesDocument
from mcp_services.policy import messages, rest
from mcp_services.policy.answers import MOST_BYTES, Asked, give_back, refusal
from mcp_services.policy.engine import DEFAULT_RULE, CelEngine, Decision, Engine, Question

_MOST_BYTES = 4 * 1024 * 1024
MOST_ASKED_BYTES = 8 * 1024 * 1024 + 64 * 1024
"""Of a question to `/v1/decide`: the orchestrator asks about results of steps, of 8 MiB at most."""

_LONGEST_SECONDS = 590.0
_ACCEPTED = 202
_ORCHESTRATOR = "mcp-orchestrator-api"
_NOT_AVAILABLE = "orchestrator not available"
_REPORTS_PROGRESS = "workflow_run"
_NONE: Mapping[str, str] = {}


class PolicySettings(RoleSettings):
    """Settings of mcp-policy-proxy; docs/services.md describes each."""

    orchestrator_url: str = "http://mcp-orchestrator-api:8080"


class _Refused(Exception):  # noqa: N818 - carries an answer, not a fault
    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


@dataclass(frozen=True)
class _Call:
    request: Request
    body: bytes
    message: messages.Message
    subject: Subject
    tool: str


class PolicyProxy:
    """Stands between gateway and orchestrator."""

    def __init__(self, settings: PolicySettings, engine: Callable[[], Engine]) -> None:
        """Decide by the engine of the moment."""
        self._settings = settings
        self._engine = engine
        self.tokens = InternalTokens(settings.internal_key_file, "mcp-policy-proxy")
        self._pool: Pool | None = None

    def connect(self, client: HttpClient) -> None:
        """Use `client` for all calls."""
        self._pool = Pool("mcp-policy-proxy", _ORCHESTRATOR, self._settings.orchestrator_url, client)

    async def mcp(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `POST /mcp`."""
        request = Request(scope, receive)
        try:
            subject, body = await self._admit(request)
            message = messages.read(body, exchange.current().headers, scope["headers"])
        except _Refused as refused:
            return await refused.response(scope, receive, send)
        except messages.MalformedError as error:
            response = jsonrpc.error(400, error.code, error.message, error.request_id)
            return await response(scope, receive, send)
        except ClientDisconnect:
            return None
        tool = str(message.params.get("name", "")) if message.method == "tools/call" else ""
        call = _Call(request, body, message, subject, tool)
        known = message.method in messages.PASSED or message.method in {"tools/list", "tools/call"}
        at = exchange.current()
        at.method = message.method if known else "_other"
        with tracing.span(f"policy {at.method}", SpanKind.SERVER, at.headers) as opened:
            decision = self._before(call)
            if decision is not None:
                opened.set_attributes({"policy.rule": decision.rule, "policy.allowed": decision.allowed})
                if not decision.allowed:
                    return await refusal(decision, tool, message.id)(scope, receive, send)
            # Decided on, and maybe twenty times the size of the body that goes on.
            message.params.clear()
            await self._forward(call, receive, send)
        return None

    async def _admit(self, request: Request) -> tuple[Subject, bytes]:
        try:
            at = exchange.current()
            subject = self.tokens.verify(at.headers.get("authorization"))
            at.subject = subject.id
            return subject, await relay.read_body(request, _MOST_BYTES)
        except InvalidTokenError as error:
            raise _Refused(jsonrpc.error(401, jsonrpc.UNAUTHORIZED, str(error))) from None
        except relay.UNREAD as error:
            raise _Refused(relay.unread(error)) from None

    def _before(self, call: _Call) -> Decision | None:
        if call.message.method == "tools/call":
            args = call.message.params.get("arguments")
            args = args if isinstance(args, dict) else {}
            return self._engine().decide(Question(Phase.CALL, call.subject, call.tool, args))
        if call.message.method == "tools/list" or call.message.method in messages.PASSED:
            return None
        # Its name stands where a tool's would: it is what was asked for.
        question = Question(Phase.CALL, call.subject, call.message.method)
        return self._engine().refuse(question, DEFAULT_RULE, "method not offered")

    async def _forward(self, call: _Call, receive: Receive, send: Send) -> None:
        scope, request_id = call.request.scope, call.message.id
        repeatable = call.message.method != "tools/call"
        try:
            more = {relay.STREAM_HEADER: "1"} if call.tool == _REPORTS_PROGRESS else {}
            async with self._upstream(call.request, "/mcp", call.body, more, repeatable=repeatable) as answer:
                await self._give_back(call, answer, receive, send)
        except (UnavailableError, TimeoutError) as error:
            response = relay.unanswered(error, _NOT_AVAILABLE, request_id)
            await response(scope, receive, send)

    async def _give_back(self, call: _Call, answer: Answer, receive: Receive, send: Send) -> None:
        """Give the orchestrator's answer back: filtered, decided on, or as it comes."""
        scope, method = call.request.scope, call.message.method
        if answer.status == _ACCEPTED or method not in {"tools/call", "tools/list"}:
            await relay.answer(answer, send)
        elif method == "tools/call":
            events = answer.content_type == "text/event-stream"
            facts = functools.partial(messages.result_facts, events=events)
            asked = Asked(call.request, call.subject, call.tool, facts, call.message.id)
            await give_back(self._engine(), asked, answer, send)
        elif answer.status < results.ERROR_FROM:
            try:
                content = await relay.read_answer(answer, MOST_BYTES)
            except relay.UNHELD as error:
                return await relay.unheld(error, call.message.id, again=True)(scope, receive, send)
            # A listing that cannot be read cannot be filtered either, so it raises and goes no further.
            shown = messages.visible_tools(content, self._engine(), call.subject, modern=call.message.modern)
            await Response(shown, answer.status, relay.returned(answer.headers))(scope, receive, send)
        else:
            await relay.answer(answer, send)
        return None

    async def rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `/v1/*`."""
        request = Request(scope, receive)
        exchange.current().method = "api"
        try:
            subject, body = await self._admit(request)
        except _Refused as refused:
            return await refused.response(scope, receive, send)
        path, query = (scope[name].decode("latin-1") for name in ("raw_path", "query_string"))
        try:
            question = rest.question(request.method, path, query, body, subject)
        except orjson.JSONDecodeError as error:
            return await jsonrpc.reply({"error": str(error)}, 422)(scope, receive, send)
        if question is None:
            return await jsonrpc.reply({"error": "no such resource"}, 404)(scope, receive, send)
        with tracing.span("policy api", SpanKind.SERVER, exchange.current().headers):
            decision, tool = self._engine().decide(question), question.tool
            # Its arguments are needed no more, and maybe twenty times the size of the body that goes on.
            del question
            if not decision.allowed:
                return await refusal(decision, tool, None)(scope, receive, send)
            path += f"?{query}" if query else ""
            try:
                async with self._upstream(request, path, body, repeatable=request.method == "GET") as answer:
                    asked = Asked(request, subject, tool, functools.partial(rest.result_facts, tool))
                    await give_back(self._engine(), asked, answer, send)
            except (UnavailableError, TimeoutError) as error:
                await relay.unanswered(error, _NOT_AVAILABLE)(scope, receive, send)
        return None

    def _upstream(
        self, request: Request, path: str, body: bytes, more: Mapping[str, str] = _NONE, *, repeatable: bool
    ) -> contextlib.AbstractAsyncContextManager[Answer]:
        assert self._pool is not None  # noqa: S101 - connected before the first request
        received = exchange.current().headers
        headers = {**relay.forwarded(received), **tracing.outgoing(), **more}
        headers["Authorization"] = received["authorization"]
        return self._pool.request(Outgoing(request.method, path, headers, body, _LONGEST_SECONDS, repeatable))

    async def decide(self, request: Request) -> Response:
        """Answer `POST /v1/decide`, which only our own services may ask."""
        at = exchange.current()
        at.method = "decide"
        try:
            caller = self.tokens.verify(at.headers.get("authorization"))
        except InvalidTokenError as error:
            return jsonrpc.reply({"error": str(error)}, 401)
        if caller.kind != "service":
            return jsonrpc.reply({"error": "only services may ask"}, 403)
        at.subject = caller.id
        try:
            body = await relay.read_body(request, MOST_ASKED_BYTES)
        except relay.UNREAD as error:
            return relay.unread(error)
        with tracing.span("policy decide", SpanKind.SERVER, at.headers):
            try:
                asked = orjson.loads(body)
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
            tracing.exporting("mcp-policy-proxy", settings, client.session),
            policies.following(client.session),
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
    app = straight("/mcp", proxy.mcp, Starlette(routes=routes))
    return Role("mcp-policy-proxy", settings, app, lifespan, ready)
