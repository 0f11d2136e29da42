"""Calls to another service, balanced per request over all its addresses.

Keep-alive to one virtual address pins connections to pods and leaves new pods idle, so the addresses behind
a headless Service are resolved again and again and one is chosen for each request.
"""

import asyncio
import logging
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType

import aiohttp
import orjson
from yarl import URL

from mcp_services.core import https, metrics
from mcp_services.core.edge import DRAINING_HEADER
from mcp_services.core.hop import Answer, BrokenError, NotSentError, Request
from mcp_services.core.http1.connections import Connections

_LOG = logging.getLogger(__name__)
_RESOLVE_SECONDS = 5.0
_EJECT_SECONDS = 5.0
_ATTEMPTS = 3
_SERVER_ERROR = int(HTTPStatus.INTERNAL_SERVER_ERROR)
_MOST_REQUESTS = 512
_DRAINING = DRAINING_HEADER.lower()


class UnavailableError(Exception):
    """No address answered, or the connection broke after the request was sent."""

    def __init__(self, message: str, *, may_have_arrived: bool = False) -> None:
        """Say so; `may_have_arrived` where what was asked for may be done, so must not be done again."""
        super().__init__(message)
        self.may_have_arrived = may_have_arrived


@dataclass(slots=True, eq=False)
class Address:
    """One address of the service.

    Attributes:
        base: `<scheme>://<address>:<port>`.
        at: Address and port.
        inflight: Requests under way.
        out_until: Monotonic time until which it is not chosen.
    """

    base: str
    at: tuple[str, int]
    inflight: int = 0
    out_until: float = field(default=0.0)


@dataclass(frozen=True)
class HttpClient:
    """The process's client.

    Attributes:
        session: For what is no pool's, and for TLS.
        connections: For pools in clear text, which are all but those of some MCP servers.
    """

    session: aiohttp.ClientSession
    connections: Connections


@asynccontextmanager
async def http_client() -> AsyncIterator[HttpClient]:
    """A client, while the block runs; redirects and cookies are never followed or kept."""
    connections = Connections(_MOST_REQUESTS)
    async with https.session(_MOST_REQUESTS) as session:
        try:
            yield HttpClient(session, connections)
        finally:
            await connections.close()


def connected_to(host: str, port: int) -> tuple[str, int]:
    """Where a connection to `host:port` leads: there, unless `CONNECT_TO` names another place for it.

    `CONNECT_TO` is a JSON object such as `{"tools:8080": "127.0.0.1:30001"}`. It serves `a1 dev`, under which
    a process outside the cluster reaches what its documents name as inside; the `Host` header stays.
    """
    places: dict[str, str] = orjson.loads(os.environ.get("CONNECT_TO") or "{}")
    place = places.get(f"{host}:{port}", "")
    name, _, number = place.rpartition(":")
    return (name, int(number)) if name else (host, port)


@dataclass(frozen=True)
class Outgoing(Request):
    """A request to a pool.

    Attributes:
        at: The one address that it is for, where it is not for any.
    """

    at: Address | None = None


class Pool:
    """The addresses of one service."""

    def __init__(self, role: str, name: str, url: str, client: HttpClient) -> None:
        """Call the service `name` at the base URL `url` on behalf of `role`."""
        self._url = URL(url)
        self._client = client
        self.name = name
        self._labels = (role, name)
        self._secure = self._url.scheme == "https"
        # An answer is passed on as it is, and its reader has not been asked which encodings it knows.
        self._fixed = (
            f"Host: {self._url.authority}\r\nUser-Agent: a1platform\r\nAccept-Encoding: identity\r\n"
        )
        self._addresses: dict[str, Address] = {}
        self._resolved = float("-inf")
        self._resolving = asyncio.Lock()

    async def addresses(self) -> list[Address]:
        """All addresses, resolved within the last 5 s; the last known ones when the name server fails."""
        if time.monotonic() - self._resolved >= _RESOLVE_SECONDS and not self._resolving.locked():
            async with self._resolving:
                await self._resolve()
        elif not self._addresses:
            async with self._resolving:
                pass
        return list(self._addresses.values())

    async def _resolve(self) -> None:
        host, port = connected_to(self._url.host or "", self._url.port or 80)
        self._resolved = time.monotonic()
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
        except OSError as error:
            _LOG.warning("name not resolved", extra={"host": host, "error": str(error)})
            return
        names = {str(entry[4][0]) for entry in found}
        self._addresses = {
            name: self._addresses.get(name)
            or Address(str(URL.build(scheme=self._url.scheme, host=name, port=port)), (name, port))
            for name in names
        }

    async def _choose(self, tried: set[Address], only: Address | None) -> Address:
        known = [one for one in await self.addresses() if one not in tried and only in (None, one)]
        now = time.monotonic()
        # When all are ejected, one of them is still better than none.
        known = [one for one in known if one.out_until <= now] or known
        if not known:
            raise UnavailableError(f"{self.name}: no address answers")
        if len(known) == 1:
            return known[0]
        return min(random.sample(known, 2), key=lambda one: one.inflight)

    def request(self, out: Outgoing) -> "Sending":
        """Send a request by `async with`, which gives its answer, body unread.

        A connection that was refused is tried on another address. A request that may have arrived is sent
        again only when it is repeatable.

        Raises:
            UnavailableError: Nobody answered.
            TimeoutError: The answer did not come in time.
        """
        return Sending(self, out)

    async def send(self, out: Outgoing) -> tuple[Address, Answer]:
        """Send a request, and give who answers how; see `request`."""
        tried: set[Address] = set()
        while True:
            address = await self._choose(tried, out.at)
            tried.add(address)
            address.inflight += 1
            try:
                return address, await self._send(address, out)
            except (NotSentError, BrokenError, TimeoutError) as error:
                address.inflight -= 1
                self._failed(address, error, out, tries=len(tried))
            except BaseException:
                address.inflight -= 1
                raise

    def _failed(self, address: Address, error: Exception, out: Outgoing, tries: int) -> None:
        """Eject the address, and raise unless the request may be tried on another."""
        if isinstance(error, TimeoutError):
            metrics.UPSTREAM.labels(*self._labels, "timeout").inc()
            raise TimeoutError(f"{self.name} did not answer in {out.seconds} s") from error
        metrics.UPSTREAM.labels(*self._labels, "unreachable").inc()
        address.out_until = time.monotonic() + _EJECT_SECONDS
        self._resolved = float("-inf")
        again = isinstance(error, NotSentError) or out.repeatable
        if not again or tries >= _ATTEMPTS:
            raise UnavailableError(f"{self.name}: {error}", may_have_arrived=not again) from error

    async def _send(self, address: Address, out: Outgoing) -> Answer:
        answer: Answer
        if self._secure:
            host, name = self._url.authority, self._url.host or ""
            answer = await https.ask(self._client.session, address.base, out, host, name)
        else:
            answer = await self._client.connections.ask(address.at, out, self._fixed)
        if _DRAINING in answer.headers:
            address.out_until = time.monotonic() + 2 * _EJECT_SECONDS
        outcome = "ok" if answer.status < _SERVER_ERROR else "error"
        metrics.UPSTREAM.labels(*self._labels, outcome).inc()
        return answer


class Sending:
    """A request to a pool as a context; `contextlib` would take three times the CPU for it.

    Attributes:
        address: Who answers, once it is entered.
    """

    address: Address

    def __init__(self, pool: Pool, out: Outgoing) -> None:
        """Send `out` at `__aenter__`."""
        self._pool, self._out = pool, out

    async def __aenter__(self) -> Answer:
        """Send it."""
        self.address, self._answer = await self._pool.send(self._out)
        return self._answer

    async def __aexit__(
        self, _: type[BaseException] | None, value: BaseException | None, __: TracebackType | None
    ) -> None:
        """Give the connection back, or close it if the answer was not read to its end."""
        self.address.inflight -= 1
        self._answer.release()
        if isinstance(value, BrokenError):
            said, maybe = f"{self._pool.name}: answer cut off", not self._out.repeatable
            raise UnavailableError(said, may_have_arrived=maybe) from value
