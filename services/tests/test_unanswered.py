"""What gateway and policy proxy say when the role behind them gives no answer."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from aiohttp import web
from mcp_services.core.edge import Edge
from mcp_services.core.identity import InternalTokens, Subject
from mcp_services.core.upstream import http_client
from mcp_services.dev import free_base_port
from mcp_services.documents import GatewayDocument, PoliciesDocument
from mcp_services.gateway import app as gateway_app
from mcp_services.policy import app as policy_app
from mcp_services.policy.engine import CelEngine
from prometheus_client import REGISTRY
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALL = PoliciesDocument.model_validate({"rules": [{"name": "all", "phases": ["list", "call"]}]})
ROLES = pytest.mark.parametrize("role", ["gateway", "policy"])
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no answer longer than half a second."""
    monkeypatch.setattr(gateway_app, "_LONGEST_SECONDS", 0.5)
    monkeypatch.setattr(policy_app, "_LONGEST_SECONDS", 0.5)


class _Server:
    """As the server does, ends an answer that its application does not complete; and keeps what was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.sent: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            self.sent.append(message)
            await send(message)

        await self._app(scope, receive, noted)
        if self.sent[-1].get("more_body"):
            await send({"type": "http.response.body"})


@asynccontextmanager
async def _asking(
    role: str, folder: Path, url: str, server: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a role whose next one is at `url`."""
    (folder / "key").write_text("k" * 32)
    digest = hashlib.sha256(b"an-api-key").hexdigest()
    (folder / "keys.json").write_text(json.dumps([{"name": "ci", "sha256": digest}]))
    async with http_client() as client:
        app: Any
        if role == "gateway":
            document: Any = SimpleNamespace(value=GatewayDocument(hosts=("*",)))
            settings = gateway_app.GatewaySettings(
                policy_url=url, internal_key_file=folder / "key", api_keys_file=folder / "keys.json"
            )
            gateway = gateway_app.Gateway(settings, document)
            gateway.connect(client)
            app, base, token = gateway.serve, "http://x/api", "an-api-key"
        else:
            known = policy_app.PolicySettings(orchestrator_url=url, internal_key_file=folder / "key")
            proxy = policy_app.PolicyProxy(known, lambda: CelEngine(ALL))
            proxy.connect(client)
            app, base = proxy.rest, "http://x"
            token = InternalTokens(folder / "key", "test").mint(Subject("alice", "user"))
        transport = httpx2.ASGITransport(app=server(Edge(app, role)))
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(transport=transport, base_url=base, headers=headers) as http:
            yield http


@asynccontextmanager
async def _behind(handler: Handler) -> AsyncIterator[str]:
    """The URL of a server that answers everything by `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def _silent(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def _hanging_up(request: web.Request) -> web.StreamResponse:
    await request.read()
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def _breaking_off(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"so far")
    await asyncio.sleep(0.1)
    assert request.transport is not None
    request.transport.close()
    return answer


async def _stopping(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"so far")
    await asyncio.sleep(60)
    return answer


@ROLES
@pytest.mark.parametrize(("handler", "outcome"), [(_breaking_off, "unavailable"), (_stopping, "timeout")])
async def test_an_answer_that_breaks_off_is_counted_as_such_and_no_other_one_is_begun(
    tmp_path: Path, role: str, handler: Handler, outcome: str
) -> None:
    labels = {"role": role, "method": "api", "outcome": outcome}
    before = REGISTRY.get_sample_value("mcp_requests_total", labels) or 0.0
    servers: list[_Server] = []

    def server(app: ASGIApp) -> ASGIApp:
        servers.append(_Server(app))
        return servers[-1]

    async with _behind(handler) as url, _asking(role, tmp_path, url, server) as http:
        answer = await http.post("/v1/workflows/w/runs")
    assert (answer.status_code, answer.text) == (200, "so far")
    assert [one["type"] for one in servers[0].sent] == ["http.response.start", "http.response.body"]
    assert REGISTRY.get_sample_value("mcp_requests_total", labels) == before + 1


@ROLES
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_time_out_is_told_as_one_and_nobody_is_asked_to_try_again(
    tmp_path: Path, role: str, method: str
) -> None:
    path = "/v1/workflows/w/runs" if method == "POST" else "/v1/runs/r"
    async with _behind(_silent) as url, _asking(role, tmp_path, url) as http:
        answer = await http.request(method, path)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (504, None)


@ROLES
@pytest.mark.parametrize(
    ("method", "path", "after"), [("POST", "/v1/workflows/w/runs", None), ("GET", "/v1/runs/r", "1")]
)
async def test_what_may_have_been_done_is_not_to_be_tried_again(
    tmp_path: Path, role: str, method: str, path: str, after: str | None
) -> None:
    async with _behind(_hanging_up) as url, _asking(role, tmp_path, url) as http:
        answer = await http.request(method, path)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, after)


@ROLES
async def test_what_reached_nobody_may_be_tried_again(tmp_path: Path, role: str) -> None:
    async with _asking(role, tmp_path, f"http://127.0.0.1:{free_base_port()}") as http:
        answer = await http.post("/v1/workflows/w/runs")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "1")
