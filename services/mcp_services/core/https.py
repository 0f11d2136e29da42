"""Requests over TLS, and those that are for no pool of addresses: by aiohttp."""

import socket
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import Self

import aiohttp
from aiohappyeyeballs import AddrInfoType
from yarl import URL

from mcp_services.core.hop import BrokenError, NotSentError, Request
from mcp_services.core.http1.connection import KEEP_SECONDS, UNACKNOWLEDGED_MILLISECONDS
from mcp_services.core.http1.connections import CONNECT_SECONDS


def session(most: int) -> aiohttp.ClientSession:
    """A session of aiohttp that follows no redirect and keeps no cookie, with so many connections at most."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=most, keepalive_timeout=KEEP_SECONDS, socket_factory=_socket),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        # What comes is passed on as it is, and its reader has not been asked which encodings it knows.
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
    )


def _socket(info: AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLISECONDS)
    return made


class Answer:
    """An answer to aiohttp; see `hop.Answer`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        """Give what `response` has."""
        self._response = response
        self._pieces: AsyncIterator[bytes] = response.content.iter_any()
        self.status = response.status
        self.content_length = response.content_length
        self.content_type = response.content_type
        self.headers: Mapping[str, str] = {name.lower(): response.headers[name] for name in response.headers}

    async def read(self) -> bytes:
        """What is left of the body."""
        return b"".join([piece async for piece in self])

    def __aiter__(self) -> Self:
        """The pieces of the body."""
        return self

    async def __anext__(self) -> bytes:
        """The next piece."""
        try:
            return await anext(self._pieces)
        except aiohttp.ClientError as error:
            # Its words may quote what has come.
            raise BrokenError(type(error).__name__) from error

    def release(self) -> None:
        """Keep the connection if all has come, else close it."""
        self._response.release()


async def ask(client: aiohttp.ClientSession, base: str, request: Request, host: str, name: str) -> Answer:
    """Send a request to the address `base`, whose certificate has to be for `name`.

    Raises:
        NotSentError: There is no connection, or it is none to `name`.
        BrokenError: It broke after the request was sent.
        TimeoutError: The answer did not come in time.
    """
    try:
        response = await client.request(
            request.method,
            _url(base, request.path),
            headers={"Host": host, **request.headers},
            data=request.data,
            timeout=_timeout(request.seconds),
            allow_redirects=False,
            server_hostname=name,
        )
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise NotSentError(type(error).__name__) from error
    except TimeoutError:
        raise
    except (aiohttp.ClientError, OSError) as error:
        raise BrokenError(type(error).__name__) from error
    return Answer(response)


@lru_cache(maxsize=256)
def _url(base: str, path: str) -> URL:
    return URL(base + path, encoded=True)


@lru_cache(maxsize=64)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
