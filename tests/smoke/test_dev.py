"""`a1 dev` against the deployed platform: services of this machine, which reach the deployed tools."""

from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_services.dev import free_base_port
from mcp_testing.session import running

from a1platform.cli.deployed import DeployedCluster
from a1platform.cli.dev import prepared, supervisor
from a1platform.services.local import plan

pytestmark = [pytest.mark.smoke, pytest.mark.part("mcp-services")]


async def test_a_call_to_the_local_door_passes_a_local_orchestrator_and_reaches_deployed_tools(
    kubeconfig: Path,
) -> None:
    port = free_base_port()
    with (
        prepared(plan("mcp-orchestrator-api"), DeployedCluster(kubeconfig)) as folder,
        running(supervisor(folder, port)) as key,
    ):
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=30) as http:
            transport = streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http)
            async with Client(transport, cache=None) as client:
                result = await client.call_tool("example__add", {"a": 2, "b": 40})
    assert result.structured_content == {"result": 42}
    assert not folder.exists()
