"""Runs all roles on one machine, with the example documents: `python -m mcp_services.dev`.

The documents may be edited while it runs; `--reload` restarts the roles when their code changes.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import secrets
import shutil
import signal
import socket
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
_KEY_NAME = "dev"
_ROOM = 200


@dataclass
class Stack:
    """All roles as processes on loopback.

    Attributes:
        folder: Where secrets, documents, state and logs go.
        base_port: API ports count up from here, operations ports 100 above.
        extra: Environment for one role over the ordinary, by role.
        command: Starts a role.
        python_path: Where its modules are.
        own_commands: Starts a role otherwise, by role.
        roles: Those that run here, in the order of their start.
        elsewhere: Base URLs of those that these call and that do not run here.
        connect_to: Where names lead that only a cluster knows: to `host:port`, or to a role that is here; see
            `core.upstream.connected_to`.
    """

    folder: Path
    base_port: int = 8080
    extra: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    command: tuple[str, ...] = (sys.executable, "-m", "mcp_services")
    python_path: Path = Path(__file__).parents[1]
    own_commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    roles: tuple[str, ...] = tuple(dict.fromkeys(("mcp-config", "mcp-tracehub", *MODULES)))
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    connect_to: Mapping[str, str] = field(default_factory=dict)
    api_key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def port(self, role: str) -> int:
        """The API port of a role."""
        return self.base_port + list(MODULES).index(role)

    def url(self, role: str) -> str:
        """The API's base URL."""
        return self.elsewhere.get(role) or f"http://127.0.0.1:{self.port(role)}"

    def operations_url(self, role: str) -> str:
        """The base URL of health, readiness and metrics."""
        return f"http://127.0.0.1:{self.port(role) + _OFFSET_OF_OPERATIONS}"

    @property
    def _of_a_cluster(self) -> bool:
        return len(self.roles) < len(MODULES) or bool(self.elsewhere or self.connect_to)

    @property
    def documents(self) -> Path:
        """The folder that mcp-config reads."""
        return self.folder / "documents"

    def prepare(self) -> None:
        """Write secrets and documents; documents that are there stay, as do the secrets of a cluster."""
        keys, internal = self.folder / "auth" / "api-keys.json", self.folder / "internal" / "key"
        for file in (keys, internal):
            file.parent.mkdir(parents=True, exist_ok=True)
        known = json.loads(keys.read_text()) if self._of_a_cluster and keys.exists() else []
        known = [one for one in known if one["name"] != _KEY_NAME]
        digest = hashlib.sha256(self.api_key.encode()).hexdigest()
        keys.write_text(json.dumps([*known, {"name": _KEY_NAME, "sha256": digest, "scopes": ["tools"]}]))
        if not self._of_a_cluster or not internal.exists():
            internal.write_text(secrets.token_hex(32))
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
            "INTERNAL_KEY_FILE": str(self.folder / "internal" / "key"),
            "CONNECT_TO": json.dumps({place: self._address(to) for place, to in self.connect_to.items()}),
            "DOCUMENTS_DIR": str(self.documents),
            "DRAIN_SECONDS": "0",
            "PYTHONPATH": str(self.python_path),
            **self.extra.get(role, {}),
        }

    def _address(self, to: str) -> str:
        return f"127.0.0.1:{self.port(to)}" if to in MODULES else to

    def start(self, role: str) -> None:
        """Start one role; its log goes to `<role>.log`."""
        with (self.folder / f"{role}.log").open("ab") as log:
            self.processes[role] = subprocess.Popen(
                self.own_commands.get(role, self.command), env=self.environment(role), stdout=log, stderr=log
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
        for role in self.roles:
            if role not in self.processes:
                self.start(role)
        for role in self.roles:
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


def free_base_port() -> int:
    """A port from which on so many are free that a stack has room, wherever else a stack may run."""
    bases = list(range(20_000, 30_000, _ROOM))
    random.shuffle(bases)
    return next(base for base in bases if all(map(_is_free, range(base, base + _ROOM))))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _sources() -> dict[Path, int]:
    found = {}
    for path in Path(__file__).parent.rglob("*.py"):
        # Editors replace files, and lock one by a link to nothing (Emacs: `.#app.py`).
        with contextlib.suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime_ns
    return found


def _stack(given: argparse.Namespace) -> Stack:
    if given.part is None:
        return Stack(given.folder, given.base_port)
    part = json.loads(given.part.read_text())
    return Stack(
        given.folder,
        given.base_port,
        roles=tuple(part["roles"]),
        own_commands={role: tuple(command) for role, command in part["commands"].items()},
        elsewhere=part["elsewhere"],
        connect_to=part["connectTo"],
    )


def _introduce(stack: Stack) -> None:
    lines = [f"MCP      {stack.url('mcp-gateway')}/mcp", f"API key  {stack.api_key}"]
    lines.append(f"traces   {stack.url('mcp-tracehub')}/v1/correlations/<X-Correlation-ID> (with a key)")
    lines.append(f"here     {', '.join(stack.roles)}")
    lines += [f"there    {role}, by way of {url}" for role, url in stack.elsewhere.items()]
    if "mcp-config" in stack.roles:
        lines.append(f"edit     {stack.documents}")
    sys.stdout.write("\n".join([*lines, f"logs     {stack.folder}/*.log", "Ctrl-C ends all.", ""]))
    sys.stdout.flush()


def _restart(stack: Stack) -> None:
    """Start all roles anew; code that is broken at the moment is told, and a later change mends it."""
    stack.stop_all()
    try:
        stack.start_all()
        said = "restarted\n"
    except (RuntimeError, OSError) as error:
        said = f"{error}\nnot started; waiting for the next change\n"
    sys.stdout.write(said)
    sys.stdout.flush()


def main() -> int:
    """Run until interrupted."""
    parser = argparse.ArgumentParser(description="Runs the five services and the example MCP server.")
    parser.add_argument("--folder", type=Path, default=Path.home() / ".local/state/a1platform/dev")
    parser.add_argument("--base-port", type=int, default=8080)
    parser.add_argument("--reload", action="store_true", help="restart the roles when their code changes")
    parser.add_argument("--part", type=Path, help="run a part only; `a1 dev` writes this file")
    given = parser.parse_args()
    stack = _stack(given)
    seen = _sources()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        stack.start_all()
        _introduce(stack)
        while True:
            time.sleep(1)
            if given.reload and (now := _sources()) != seen:
                seen = now
                _restart(stack)
    except KeyboardInterrupt:
        return 0
    finally:
        stack.stop_all()


if __name__ == "__main__":
    sys.exit(main())
