"""Calls to another service, balanced per request over all its addresses.

Keep-alive to one virtual address pins connections to pods and leaves new pods idle, so the addresses behind
a headless Service are resolved again and again and one is chosen for each request.
"""

import asyncio
import logging
import os
import random
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType

import aiohttp
import orjson
from aiohappyeyeballs import AddrInfoType
from yarl import URL

from mcp_services.core import metrics
from mcp_services.core.edge import DRAINING_HEADER

_LOG = logging.getLogger(__name__)
_RESOLVE_SECONDS = 5.0
_EJECT_SECONDS = 5.0
_ATTEMPTS = 3
_KEEP_ALIVE_SECONDS = 30
_UNACKNOWLEDGED_MILLISECONDS = 10_000


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
        inflight: Requests under way.
        out_until: Monotonic time until which it is not chosen.
    """

    base: str
    inflight: int = 0
    out_until: float = field(default=0.0)


def http_client(limit: int = 512) -> aiohttp.ClientSession:
    """The process's HTTP client; redirects and cookies are never followed or kept."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=limit, keepalive_timeout=_KEEP_ALIVE_SECONDS, socket_factory=_socket
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=2.0),
        # What comes is passed on as it is, and its reader has not been asked which encodings it knows.
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
    )


def connected_to(host: str, port: int) -> tuple[str, int]:
    """Where a connection to `host:port` leads: there, unless `CONNECT_TO` names another place for it.

    `CONNECT_TO` is a JSON object such as `{"tools:8080": "127.0.0.1:30001"}`. It serves `a1 dev`, under which
    a process outside the cluster reaches what its documents name as inside; the `Host` header stays.
    """
    places: dict[str, str] = orjson.loads(os.environ.get("CONNECT_TO") or "{}")
    place = places.get(f"{host}:{port}", "")
    name, _, number = place.rpartition(":")
    return (name, int(number)) if name else (host, port)


def _socket(info: AddrInfoType) -> socket.socket:
    # What is lost on its way to a node that is gone would else be sent again for a quarter of an hour.
    family, kind, protocol, *_ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MILLISECONDS)
    return made


@dataclass(frozen=True)
class Outgoing:
    """A request to another service.

    Attributes:
        method: HTTP method.
        path: Path, with the query if there is one.
        headers: Headers.
        data: Body.
        seconds: Longest wait for the answer.
        repeatable: Whether it may be sent again although it may have arrived.
        at: The one address that it is for, where it is not for any.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    data: bytes | None = None
    seconds: float = 60.0
    repeatable: bool = False
    at: Address | None = None


class Pool:
    """The addresses of one service."""

    def __init__(self, role: str, name: str, url: str, client: aiohttp.ClientSession) -> None:
        """Call the service `name` at the base URL `url` on behalf of `role`."""
        self._url = URL(url)
        self._client = client
        self.name = name
        self._labels = (role, name)
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
            or Address(str(URL.build(scheme=self._url.scheme, host=name, port=port)))
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

    async def send(self, out: Outgoing) -> tuple[Address, aiohttp.ClientResponse]:
        """Send a request, and give who answers how; see `request`."""
        tried: set[Address] = set()
        while True:
            address = await self._choose(tried, out.at)
            tried.add(address)
            address.inflight += 1
            try:
                return address, await self._send(address, out)
            except (aiohttp.ClientError, OSError) as error:
                address.inflight -= 1
                self._failed(address, error, out, tries=len(tried))
            except BaseException:
                address.inflight -= 1
                raise

    def _failed(self, address: Address, error: Exception, out: Outgoing, tries: int) -> None:
        """Eject the address, and raise unless the request may be tried on another."""
        unsent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        if isinstance(error, TimeoutError) and not unsent:
            metrics.UPSTREAM.labels(*self._labels, "timeout").inc()
            raise TimeoutError(f"{self.name} did not answer in {out.seconds} s") from error
        metrics.UPSTREAM.labels(*self._labels, "unreachable").inc()
        address.out_until = time.monotonic() + _EJECT_SECONDS
        self._resolved = float("-inf")
        if not (unsent or out.repeatable) or tries >= _ATTEMPTS:
            maybe = not (unsent or out.repeatable)
            raise UnavailableError(f"{self.name}: {type(error).__name__}", may_have_arrived=maybe) from error

    async def _send(self, address: Address, out: Outgoing) -> aiohttp.ClientResponse:
        response = await self._client.request(
            out.method,
            _url(address.base, out.path),
            headers={"Host": self._url.authority, **out.headers},
            data=out.data,
            timeout=_timeout(out.seconds),
            allow_redirects=False,
            # The address is a number, and a certificate is for a name.
            server_hostname=self._url.host if self._url.scheme == "https" else None,
        )
        if DRAINING_HEADER in response.headers:
            address.out_until = time.monotonic() + 2 * _EJECT_SECONDS
        outcome = "ok" if response.status < 500 else "error"  # noqa: PLR2004
        metrics.UPSTREAM.labels(*self._labels, outcome).inc()
        return response


class Sending:
    """A request to a pool as a context; `contextlib` would take three times the CPU for it.

    Attributes:
        address: Who answers, once it is entered.
    """

    address: Address

    def __init__(self, pool: Pool, out: Outgoing) -> None:
        """Send `out` at `__aenter__`."""
        self._pool, self._out = pool, out

    async def __aenter__(self) -> aiohttp.ClientResponse:
        """Send it."""
        self.address, self._response = await self._pool.send(self._out)
        return self._response

    async def __aexit__(
        self, _: type[BaseException] | None, value: BaseException | None, __: TracebackType | None
    ) -> None:
        """Give the connection back, or close it if the answer was not read to its end."""
        self.address.inflight -= 1
        self._response.release()
        if isinstance(value, aiohttp.ClientPayloadError):
            said, maybe = f"{self._pool.name}: answer cut off", not self._out.repeatable
            raise UnavailableError(said, may_have_arrived=maybe) from value


@lru_cache(maxsize=256)
def _url(base: str, path: str) -> URL:
    return URL(base + path, encoded=True)


@lru_cache(maxsize=64)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, sock_connect=2.0)
