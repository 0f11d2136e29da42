"""The API of mcp-config; read-only, since the documents come from Git by way of a ConfigMap."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mcp_services.config.store import MOST_CHARACTERS, InvalidDocumentError, Store, parse
from mcp_services.core import exchange, relay
from mcp_services.core.identity import InternalTokens, InvalidTokenError
from mcp_services.core.jsonrpc import reply
from mcp_services.core.room import NoRoomError
from mcp_services.core.serve import Role
from mcp_services.core.settings import RoleSettings
from mcp_services.core.tracing import exporting
from mcp_services.core.upstream import http_client
from mcp_services.documents import SCOPES

_LONGEST_WAIT = 60.0
_MOST_BYTES = 2 * MOST_CHARACTERS
_ASK = {"error": "send {scope, document}, the document as YAML text"}


class ConfigSettings(RoleSettings):
    """Settings of mcp-config.

    Attributes:
        documents_dir: Folder of the documents.
        scan_seconds: Time between two looks at it.
    """

    documents_dir: Path = Path("/etc/mcp/documents")
    scan_seconds: float = 1.0


class Api:
    """The handlers."""

    def __init__(self, store: Store, tokens: InternalTokens) -> None:
        """Serve from `store` to who shows an internal token."""
        self._store = store
        self._tokens = tokens

    async def read(self, request: Request) -> Response:
        """Answer `GET /v1/config/{scope}`; `wait` waits for another version than `If-None-Match`."""
        exchange.current().method = "config/read"
        try:
            self._tokens.verify(request.headers.get("authorization"))
        except InvalidTokenError as error:
            return reply({"error": str(error)}, 401)
        scope = request.path_params["scope"]
        if scope not in SCOPES:
            return reply({"error": f"no such scope; there are {', '.join(SCOPES)}"}, 404)
        seen = request.headers.get("if-none-match", "").removeprefix("W/").strip('"')
        try:
            wait = min(max(float(request.query_params.get("wait", "0")), 0.0), _LONGEST_WAIT)
        except ValueError:
            return reply({"error": "wait is a number of seconds"}, 400)
        found = await self._store.other_than(scope, seen, wait)
        if found is None:
            known = scope in self._store.versions
            return (
                Response(status_code=304, headers={"ETag": f'"{seen}"'})
                if known
                else reply({"error": self._store.errors.get(scope, "not in the folder")}, 404)
            )
        return Response(found.body, media_type="application/json", headers={"ETag": f'"{found.digest}"'})

    async def validate(self, request: Request) -> Response:
        """Answer `POST /v1/validate`."""
        exchange.current().method = "config/validate"
        try:
            asked = orjson.loads(await relay.read_body(request, _MOST_BYTES))
            if not isinstance(asked["document"], str):
                return reply(_ASK, 400)
            # On a thread: a large one takes seconds.
            await asyncio.to_thread(parse, asked["scope"], asked["document"])
        except relay.TooLargeError:
            return reply({"error": f"at most {_MOST_BYTES} bytes"}, 413)
        except NoRoomError as error:
            return relay.unread(error)
        except InvalidDocumentError as error:
            return reply({"valid": False, "error": str(error)})
        except (ValueError, KeyError, TypeError):
            return reply(_ASK, 400)
        return reply({"valid": True})

    async def versions(self, _: Request) -> Response:
        """Answer `GET /v1/versions`."""
        exchange.current().method = "config/versions"
        return reply(
            {
                scope: {
                    "version": at.digest[:12] if (at := self._store.versions.get(scope)) else None,
                    "since": at.since if at else None,
                    "rejected": self._store.errors.get(scope),
                }
                for scope in SCOPES
            }
        )


def build() -> Role:
    """mcp-config."""
    settings = ConfigSettings()
    store = Store(settings.documents_dir)
    tokens = InternalTokens(settings.internal_key_file, "mcp-config")
    api = Api(store, tokens)

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with http_client() as client, exporting("mcp-config", settings, client.session):
            await store.look()
            task = asyncio.create_task(store.watch(settings.scan_seconds))
            try:
                yield
            finally:
                task.cancel()

    routes = [
        Route("/v1/config/{scope}", api.read),
        Route("/v1/validate", api.validate, methods=["POST"]),
        Route("/v1/versions", api.versions),
    ]

    def ready() -> bool:
        return bool(store.versions) and tokens.ready()

    return Role("mcp-config", settings, Starlette(routes=routes), lifespan, ready, store.end)
