"""The official MCP SDK's client at the gateway, as fixtures."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2
import kr8s
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from a1platform.services.catalog import GATEWAY
from a1platform.services.model import HTTP_PORT
from a1platform.services.resolve import NAMESPACE
from tests.smoke.conftest import Outputs
from tests.smoke.reach import Connect, reached


@pytest.fixture(scope="module")
def gateway(api: kr8s.Api) -> Iterator[str]:
    """The gateway's URL on this machine."""
    with reached(api, NAMESPACE, GATEWAY, HTTP_PORT) as url:
        yield url


@pytest.fixture
def connect(gateway: str, outputs: Outputs) -> Connect:
    """Opens the official SDK's client to the gateway, as the client `smoke`."""

    @asynccontextmanager
    async def opened(**headers: str) -> AsyncIterator[Client]:
        sent = {"Authorization": f"Bearer {outputs.api_key}", **headers}
        async with httpx2.AsyncClient(headers=sent, timeout=30) as http:
            transport = streamable_http_client(f"{gateway}/mcp", http_client=http)
            async with Client(transport, cache=None) as client:
                yield client

    return opened
