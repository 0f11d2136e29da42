"""One stack of all roles as real processes, for the tests that need it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_services.dev import Stack, free_base_port

Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All roles, ready."""
    folder: Path = tmp_path_factory.mktemp("stack")
    running = Stack(folder, base_port=free_base_port())
    try:
        running.start_all()
        yield running
    finally:
        running.stop_all()


@pytest.fixture
def connect(stack: Stack) -> Connect:
    """Opens the official SDK's client to the gateway."""

    @asynccontextmanager
    async def opened(mode: str = "auto", key: str | None = None, **headers: str) -> AsyncIterator[Client]:
        sent = {"Authorization": f"Bearer {key or stack.api_key}"} | headers
        async with httpx2.AsyncClient(headers=sent, timeout=30) as http:
            transport = streamable_http_client(f"{stack.url('mcp-gateway')}/mcp", http_client=http)
            async with Client(transport, mode=mode, cache=None) as client:
                yield client

    return opened
