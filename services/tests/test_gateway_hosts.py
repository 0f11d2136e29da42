"""By which names the gateway may be called."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from mcp_services.core.edge import Edge
from mcp_services.core.upstream import http_client
from mcp_services.documents import GatewayDocument
from mcp_services.gateway.app import Gateway, GatewaySettings


async def _status(folder: Path, public_url: str, host: str) -> int:
    """What a request without a credential is answered whose document names the service alone."""
    (folder / "keys.json").write_text(json.dumps([]))
    settings = GatewaySettings(public_url=public_url, api_keys_file=folder / "keys.json")
    document: Any = SimpleNamespace(value=GatewayDocument(hosts=("mcp-gateway",)))
    gateway = Gateway(settings, document)
    async with http_client() as client:
        gateway.connect(client)
        transport = httpx2.ASGITransport(app=Edge(gateway.serve, "mcp-gateway"))
        async with httpx2.AsyncClient(transport=transport, base_url="http://x") as http:
            return (await http.post("/mcp", headers={"Host": host}, json={})).status_code


@pytest.mark.parametrize(
    ("public_url", "host"),
    [
        ("https://a1.example.org", "a1.example.org"),
        ("https://a1.example.org", "a1.example.org:443"),
        ("https://a1.example.org:8443", "a1.example.org:8443"),
        ("https://A1.example.org", "a1.Example.org"),
        ("http://[2001:db8::1]:8080", "[2001:db8::1]:8080"),
        ("https://a1.example.org", "mcp-gateway:8080"),
    ],
)
async def test_the_public_address_is_served_beside_the_hosts_of_the_document(
    tmp_path: Path, public_url: str, host: str
) -> None:
    assert await _status(tmp_path, public_url, host) == 401


@pytest.mark.parametrize("host", ["", "example.org", "b.a1.example.org", "a1.example.org.evil.example"])
async def test_any_other_host_is_refused(tmp_path: Path, host: str) -> None:
    assert await _status(tmp_path, "https://a1.example.org", host) == 421
