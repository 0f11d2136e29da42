"""Runs a role: its API on one port, operations on another, and an end that loses no request."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_services.core import lines, metrics
from mcp_services.core.connection import Connection
from mcp_services.core.edge import Edge
from mcp_services.core.room import Room
from mcp_services.core.settings import RoleSettings

_LOG = logging.getLogger(__name__)
# Longer than the callers' own keep-alive, so that a kept connection is never closed under a request.
_KEEP_ALIVE_SECONDS = 75


@dataclass(frozen=True)
class Role:
    """A program.

    Attributes:
        name: Its name in metrics, logs and traces.
        settings: What it read from the environment.
        app: Its API.
        lifespan: Entered before the first request; background work lives in it.
        ready: Whether it can serve; its own state only, never its peers', whose failures would cascade.
        on_drain: Awaited once the listener is about to close, to end what would wait for long.
    """

    name: str
    settings: RoleSettings
    app: ASGIApp
    lifespan: Callable[[], AbstractAsyncContextManager[None]]
    ready: Callable[[], bool]
    on_drain: Callable[[], Awaitable[None]] | None = None


def straight(path: str, app: ASGIApp, others: ASGIApp) -> ASGIApp:
    """An application that gives `POST path` to `app` past the routes of `others` and what wraps them."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        posted = scope["path"] == path and scope["method"] == "POST"
        await (app if posted else others)(scope, receive, send)

    return dispatch


class _Server(uvicorn.Server):
    """Leaves signals to `run`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def operations_app(ready: Callable[[], bool]) -> Starlette:
    """`/health`, `/ready` and `/metrics`."""

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readiness(_: Request) -> Response:
        return PlainTextResponse("ready\n") if ready() else PlainTextResponse("not ready\n", status_code=503)

    async def exposition(_: Request) -> Response:
        metrics.TASKS.set(len(asyncio.all_tasks()))
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[Route("/health", health), Route("/ready", readiness), Route("/metrics", exposition)]
    )


async def run(role: Role) -> None:
    """Serve until SIGTERM or SIGINT, drain, then end."""
    settings = role.settings
    edge = Edge(role.app, role.name, Room(settings.body_memory_bytes))
    main = _server(edge, settings.host, settings.port, settings.shutdown_seconds)
    operations = _server(
        operations_app(lambda: main.started and not edge.draining and role.ready()),
        settings.host,
        settings.operations_port,
        1.0,
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    async def end() -> None:
        await stop.wait()
        edge.draining = True
        _LOG.info("draining", extra={"seconds": settings.drain_seconds})
        await asyncio.sleep(settings.drain_seconds)
        if role.on_drain:
            await role.on_drain()
        main.should_exit = True

    async with role.lifespan():
        beside = [asyncio.create_task(operations.serve()), asyncio.create_task(end())]
        _LOG.info("started", extra={"port": settings.port, "operations_port": settings.operations_port})
        await main.serve()
        operations.should_exit = True
        beside[1].cancel()
        await asyncio.gather(*beside, return_exceptions=True)
    lines.flush()
    _LOG.info("ended")


def _server(app: ASGIApp, host: str, port: int, shutdown_seconds: float) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(shutdown_seconds),
        )
    )
