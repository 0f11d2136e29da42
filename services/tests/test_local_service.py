"""`a1 dev`: a service here in the place of a deployed one, which is another set of processes on loopback."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
import pytest
from mcp_services.dev import Stack, free_base_port
from mcp_services.roles import MODULES
from mcp_testing.driving import CALL, HEADERS, Load, samples
from mcp_testing.session import running

from a1platform.cli.dev import prepared, supervisor
from a1platform.services.local import ClusterError, ServicePort, plan

pytest_plugins = ["mcp_services.testing"]

BASE_PORT = free_base_port()


class Deployed:
    """A cluster whose Services are the roles of a stack."""

    def __init__(self, stack: Stack) -> None:
        """Serve what the stack has."""
        self._stack = stack
        self.forwards: list[ServicePort] = []

    def secret(self, name: str) -> Mapping[str, bytes]:
        """The stack's secrets, for a service."""
        assert name in MODULES
        auth = self._stack.folder / "auth"
        keys = {"api-keys.json": (auth / "api-keys.json").read_bytes(), "jwks.json": b'{"keys": []}'}
        return keys | {"key": (self._stack.folder / "internal" / "key").read_bytes()}

    def documents(self) -> Mapping[str, str]:
        """The stack's documents, in which the example has the name that it has in a cluster."""
        found = {path.name: path.read_text() for path in self._stack.documents.iterdir()}
        inside = "http://mcp-example-tools-pods:8080"
        servers = found["servers.yaml"].replace(self._stack.url("example-tools"), inside)
        gone = "\n  - {name: gone, url: 'http://gone.tools.svc:80/mcp'}\n"
        return found | {"servers.yaml": servers + gone}

    @contextlib.contextmanager
    def forwarded(self, port: ServicePort) -> Iterator[str]:
        """The role's own port."""
        if port.name == "gone":
            raise ClusterError("found no Service gone in tools")
        self.forwards.append(port)
        role = port.name.removesuffix("-pods").replace("mcp-example-tools", "example-tools")
        yield self._stack.url(role).removeprefix("http://")


async def calls(stack: Stack, role: str) -> float:
    """How many calls of tools a role has answered."""
    return sum(
        value
        for (name, labels), value in (await samples(stack, role)).items()
        if name == "mcp_requests_total" and dict(labels)["method"] == "tools/call"
    )


async def test_a_call_to_the_local_door_passes_the_local_services_and_reaches_deployed_tools(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    cluster, before = Deployed(stack), await calls(stack, "mcp-orchestrator-api")
    local = Stack(Path(), BASE_PORT)
    with (
        prepared(plan("mcp-orchestrator-api"), cluster) as folder,
        running(supervisor(folder, BASE_PORT)) as key,
    ):
        assert (folder / "internal" / "key").stat().st_mode & 0o077 == 0
        async with httpx2.AsyncClient(headers=HEADERS | dict(CALL.headers) | {"X-API-Key": key}) as http:
            answer = await http.post(f"{local.url('mcp-gateway')}/mcp", content=CALL.body)
        assert answer.json()["result"]["structuredContent"] == {"result": "hello"}
        assert await calls(local, "mcp-orchestrator-api") == 1
    assert await calls(stack, "mcp-orchestrator-api") == before
    assert {port.name for port in cluster.forwards} == {
        "mcp-config",
        "mcp-tracehub",
        "mcp-example-tools-pods",
    }
    assert "not reached: found no Service gone" in capfd.readouterr().err
    assert not folder.exists()
    async with Load.on(stack) as load:
        assert (await load.call()).ok


async def test_a_program_of_ones_own_takes_the_place_of_a_service(stack: Stack, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "import os, threading\n"
        "from http.server import BaseHTTPRequestHandler, HTTPServer\n"
        "class Own(BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers(); self.wfile.write(b'mine')\n"
        "    def log_message(self, *_):\n"
        "        pass\n"
        "ports = (int(os.environ[name]) for name in ('PORT', 'OPERATIONS_PORT'))\n"
        "servers = [HTTPServer(('127.0.0.1', port), Own) for port in ports]\n"
        "[threading.Thread(target=one.serve_forever).start() for one in servers]\n"
    )
    command = [sys.executable, str(own)]
    with (
        prepared(plan("mcp-gateway"), Deployed(stack), command) as folder,
        running(supervisor(folder, BASE_PORT)),
    ):
        assert httpx2.get(f"http://127.0.0.1:{BASE_PORT}/").text == "mine"
