"""Runs all roles on one machine, with the example documents: `python -m mcp_services.dev`.

The documents may be edited while it runs; `--reload` restarts the roles when their code changes.
"""

import argparse
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mcp_services.roles import MODULES

EXAMPLES = Path(__file__).parent / "examples" / "documents"
_START_SECONDS = 120.0
_OFFSET_OF_OPERATIONS = 100


@dataclass
class Stack:
    """All roles as processes on loopback.

    Attributes:
        folder: Where secrets, documents, state and logs go.
        base_port: API ports count up from here, operations ports 100 above.
        extra: Environment for one role over the ordinary, by role.
        command: Starts a role.
        python_path: Where its modules are.
    """

    folder: Path
    base_port: int = 8080
    extra: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    command: tuple[str, ...] = (sys.executable, "-m", "mcp_services")
    python_path: Path = Path(__file__).parents[1]
    api_key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def port(self, role: str) -> int:
        """The API port of a role."""
        return self.base_port + list(MODULES).index(role)

    def url(self, role: str) -> str:
        """The API's base URL."""
        return f"http://127.0.0.1:{self.port(role)}"

    def operations_url(self, role: str) -> str:
        """The base URL of health, readiness and metrics."""
        return f"http://127.0.0.1:{self.port(role) + _OFFSET_OF_OPERATIONS}"

    @property
    def documents(self) -> Path:
        """The folder that mcp-config reads."""
        return self.folder / "documents"

    def prepare(self) -> None:
        """Write secrets and documents; documents that are there stay."""
        auth = self.folder / "auth"
        auth.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(self.api_key.encode()).hexdigest()
        (auth / "api-keys.json").write_text(
            json.dumps([{"name": "dev", "sha256": digest, "scopes": ["tools"]}])
        )
        (self.folder / "internal-key").write_text(secrets.token_hex(32))
        self.documents.mkdir(exist_ok=True)
        for source in EXAMPLES.glob("*.yaml"):
            target = self.documents / source.name
            if not target.exists():
                shutil.copy(source, target)
        servers = self.documents / "servers.yaml"
        servers.write_text(
            servers.read_text().replace("http://example-tools:8080", self.url("example-tools"))
        )

    def environment(self, role: str) -> dict[str, str]:
        """What a role is started with."""
        return {
            **os.environ,
            "ROLE": role,
            "HOST": "127.0.0.1",
            "PORT": str(self.port(role)),
            "OPERATIONS_PORT": str(self.port(role) + _OFFSET_OF_OPERATIONS),
            "STATE_DIR": str(self.folder / "state" / role),
            "CONFIG_URL": self.url("mcp-config"),
            "TRACES_URL": self.url("mcp-tracehub"),
            "POLICY_URL": self.url("mcp-policy-proxy"),
            "ORCHESTRATOR_URL": self.url("mcp-orchestrator-api"),
            "PUBLIC_URL": self.url("mcp-gateway"),
            "JWKS_FILE": str(self.folder / "auth" / "jwks.json"),
            "API_KEYS_FILE": str(self.folder / "auth" / "api-keys.json"),
            "INTERNAL_KEY_FILE": str(self.folder / "internal-key"),
            "DOCUMENTS_DIR": str(self.documents),
            "DRAIN_SECONDS": "0",
            "PYTHONPATH": str(self.python_path),
            **self.extra.get(role, {}),
        }

    def start(self, role: str) -> None:
        """Start one role; its log goes to `<role>.log`."""
        with (self.folder / f"{role}.log").open("ab") as log:
            self.processes[role] = subprocess.Popen(
                self.command, env=self.environment(role), stdout=log, stderr=log
            )

    def stop(self, role: str, number: int = signal.SIGTERM) -> int:
        """End one role and give its exit code."""
        process = self.processes.pop(role)
        process.send_signal(number)
        return process.wait(30)

    def start_all(self) -> None:
        """Start every role and wait until each is ready.

        Raises:
            RuntimeError: One ended or is not ready in 120 s; the message has the end of its log.
        """
        self.prepare()
        for role in ("mcp-config", "mcp-tracehub", *MODULES):
            if role not in self.processes:
                self.start(role)
        for role in MODULES:
            self.await_ready(role)

    def await_ready(self, role: str) -> None:
        """Wait until a role says that it is ready; raises as `start_all` does."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self.processes[role].poll() is None:
            try:
                with urllib.request.urlopen(f"{self.operations_url(role)}/ready", timeout=2):  # noqa: S310 - a loopback URL of our own
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        tail = (self.folder / f"{role}.log").read_text()[-3000:]
        raise RuntimeError(f"{role} is not ready:\n{tail}")

    def stop_all(self) -> None:
        """End every role, by force what does not end in 30 s."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        self.processes.clear()


def _sources() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path(__file__).parent.rglob("*.py")}


def main() -> int:
    """Run until interrupted."""
    parser = argparse.ArgumentParser(description="Runs the five services and the example MCP server.")
    parser.add_argument("--folder", type=Path, default=Path.home() / ".local/state/a1platform/dev")
    parser.add_argument("--base-port", type=int, default=8080)
    parser.add_argument("--reload", action="store_true", help="restart the roles when their code changes")
    given = parser.parse_args()
    stack = Stack(given.folder, given.base_port)
    seen = _sources()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        stack.start_all()
        sys.stdout.write(f"MCP      {stack.url('mcp-gateway')}/mcp\nAPI key  {stack.api_key}\n")
        sys.stdout.write(
            f"traces   {stack.url('mcp-tracehub')}/v1/correlations/<X-Correlation-ID> (with the key)\n"
        )
        sys.stdout.write(f"edit     {stack.documents}\nlogs     {stack.folder}/*.log\nCtrl-C ends all.\n")
        sys.stdout.flush()
        while True:
            time.sleep(1)
            if given.reload and (now := _sources()) != seen:
                seen = now
                stack.stop_all()
                stack.start_all()
                sys.stdout.write("restarted\n")
    except KeyboardInterrupt:
        return 0
    finally:
        stack.stop_all()


if __name__ == "__main__":
    sys.exit(main())
