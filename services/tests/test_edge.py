"""What a process about to end tells its callers."""

import httpx2
import pytest
from mcp_services.core.edge import Edge
from starlette.responses import PlainTextResponse


@pytest.mark.parametrize("draining", [True, False])
async def test_only_a_draining_process_asks_its_callers_to_connect_elsewhere(draining: bool) -> None:  # noqa: FBT001
    edge = Edge(PlainTextResponse("ok"), "mcp-gateway")
    edge.draining = draining
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=edge), base_url="http://mcp-gateway"
    ) as http:
        answer = await http.get("/")
    assert answer.text == "ok"
    assert (answer.headers.get("Connection") == "close") is draining
    assert ("X-Draining" in answer.headers) is draining
