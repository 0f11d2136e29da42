"""Jaeger: a call through the services is found there as one trace."""

from collections.abc import Iterator

import httpx2
import kr8s
import pytest

from a1platform.platform.namespaces import TRACING
from a1platform.platform.tracing import NAME, QUERY_PORT
from a1platform.services.catalog import GATEWAY, ORCHESTRATOR, POLICY
from tests.smoke.reach import Connect, reached
from tests.smoke.wait import eventually

pytestmark = [pytest.mark.smoke, pytest.mark.part("tracing")]
pytest_plugins = ["tests.smoke.mcp_client"]


@pytest.fixture
def jaeger(api: kr8s.Api) -> Iterator[httpx2.Client]:
    """Jaeger's query API."""
    with reached(api, TRACING, NAME, QUERY_PORT) as url, httpx2.Client(base_url=url, timeout=30) as http:
        yield http


@pytest.mark.part("mcp-services")
async def test_a_call_is_one_trace_over_all_services_that_it_passed(
    jaeger: httpx2.Client, connect: Connect
) -> None:
    async with connect() as client:
        await client.call_tool("example__echo", {"text": "hello"})

    def traces() -> list[set[str]]:
        query = {"service": GATEWAY, "lookback": "1h", "limit": "50"}
        found = jaeger.get("/api/traces", params=query).raise_for_status().json()["data"] or []
        return [{one["serviceName"] for one in trace["processes"].values()} for trace in found]

    passed = {GATEWAY, POLICY, ORCHESTRATOR}

    def is_there(seen: list[set[str]]) -> bool:
        return any(passed <= services for services in seen)

    seen = eventually(traces, 60, wanted=is_there, every=3)
    assert is_there(seen), seen
