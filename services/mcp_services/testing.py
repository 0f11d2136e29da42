"""One stack of all roles as real processes, for the tests that need it."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_services.dev import Stack, free_base_port

_CONNECTED_SECONDS = 60

Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All roles, ready."""
    folder: Path = tmp_path_factory.mktemp("stack")
    running = Stack(folder, base_port=free_base_port())
    try:
        running.start_all()
        await_servers(running)
        yield running
    finally:
        running.stop_all()


def await_servers(stack: Stack) -> dict[str, object]:
    """Wait until the MCP servers are connected; the orchestrator is ready before that.

    Returns:
        What the example workflow gave once it ran.

    Raises:
        RuntimeError: It has not within 60 s.
    """
    url = f"{stack.url('mcp-gateway')}/api/v1/workflows/sum-and-tell/runs"
    until = time.monotonic() + _CONNECTED_SECONDS
    while time.monotonic() < until:
        given = {"a": 1, "b": 2, "c": 3, "d": 4}
        answer = httpx2.post(url, json=given, headers={"X-API-Key": stack.api_key}, timeout=20)
        output: dict[str, object] | None = answer.json().get("output")
        if output is not None:
            return output
        time.sleep(0.1)
    raise RuntimeError(f"the MCP servers are not connected: {answer.text}")


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
