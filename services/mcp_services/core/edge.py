"""The ASGI edge of every role: correlation ID, metrics, one access line, draining mark."""

import logging
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_services.core import connection, exchange, jsonrpc, lines, metrics
from mcp_services.core.exchange import CORRELATION_HEADER
from mcp_services.core.room import Room

DRAINING_HEADER = "X-Draining"
"""On answers of a process about to end, so that callers choose another address at once."""

_CORRELATION = CORRELATION_HEADER.lower().encode()
_FAULTS = logging.getLogger(__name__)
_OUTCOMES = {401: "unauthorized", 403: "denied", 429: "limited", 503: "unavailable", 504: "timeout"}
_OK_BELOW, _CLIENT_BELOW = 400, 500


def outcome_of(status: int) -> str:
    """The metric label for a status code."""
    if status < _OK_BELOW:
        return "ok"
    return _OUTCOMES.get(status) or ("client_error" if status < _CLIENT_BELOW else "error")


class Edge:
    """Wraps a role's application."""

    def __init__(self, app: ASGIApp, role: str, room: Room | None = None) -> None:
        """Serve `app` under the name `role`, with that room for bodies."""
        self._app = app
        self._role = role
        self._room = room or Room()
        self._inflight = metrics.INFLIGHT.labels(role)
        self._received = metrics.BYTES.labels(role, "in")
        self._sent = metrics.BYTES.labels(role, "out")
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and account for it."""
        if scope["type"] != "http":
            return
        at = exchange.begin_request(scope["headers"])
        at.room = self._room
        status, sent, whole, begun = 500, 0, False, time.perf_counter()

        async def marked(message: Message) -> None:
            nonlocal status, sent, whole
            if message["type"] == "http.response.start":
                at.answering, status = True, message["status"]
                message["headers"] = [*message.get("headers", ()), (_CORRELATION, at.correlation_id.encode())]
                if self.draining:
                    answer = MutableHeaders(scope=message)
                    answer[DRAINING_HEADER] = "1"
                    # Who knows one address only must not send the next request where the end is near.
                    answer["Connection"] = "close"
            else:
                sent += len(message.get("body", b""))
                whole = not message.get("more_body", False)
            await send(message)

        self._inflight.inc()
        try:
            await connection.serve(self._app, scope, receive, marked)
        except connection.HungUpError:
            at.outcome = "hung_up"
        except Exception as error:
            if whole:
                raise
            # Uvicorn's own answer would have no correlation ID.
            await self._failed(error, scope, receive, marked)
        finally:
            at.end()
            self._inflight.dec()
            seconds = time.perf_counter() - begun
            outcome = at.outcome or outcome_of(status)
            metrics.REQUESTS.labels(self._role, at.method, outcome).inc()
            metrics.DURATION.labels(self._role, at.method).observe(seconds)
            self._received.inc(int(at.headers.get("content-length") or 0))
            self._sent.inc(sent)
            lines.write(
                "request",
                {
                    "http_method": scope["method"],
                    "path": scope["path"],
                    "mcp_method": at.method,
                    "status": status,
                    "outcome": outcome,
                    "subject": at.subject,
                    "milliseconds": round(seconds * 1000, 2),
                },
            )

    def refused(self, status: int) -> str:
        """Account for an answer to what is no request, and give the correlation ID that goes with it."""
        at, outcome = exchange.begin(None), outcome_of(status)
        metrics.REQUESTS.labels(self._role, at.method, outcome).inc()
        lines.write("request", {"mcp_method": at.method, "status": status, "outcome": outcome})
        return at.correlation_id

    async def _failed(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell the client what can still be told: that something failed, or only that there is no more."""
        at = exchange.current()
        if not isinstance(error, connection.CutOffError):
            _FAULTS.error("request failed", exc_info=error)
        if not at.answering:
            await jsonrpc.error(500, jsonrpc.INTERNAL_ERROR, "internal error")(scope, receive, send)
        else:
            at.outcome = at.outcome or "error"
            connection.cut_off(scope)
