"""What the tests of faults do to a node and to a run, and what was said meanwhile."""

import contextlib
import hashlib
import http.server
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a1platform import versions
from sandbox.advice import advice
from sandbox.engine import Engine
from sandbox.node import Node
from tests.sandbox.deployment import UP, Deployment

K3S_BEGINS = "until systemctl show k3s -P ActiveState | grep -qx activating; do sleep 0.1; done"
"""A command for a node that ends as soon as K3s is about to start."""

_NODE_SECONDS = 240


@dataclass
class Lab:
    """A deployment that faults are tried on.

    Attributes:
        deployment: The stack and its node.
        said: Everything that any run of `pulumi` wrote.
    """

    deployment: Deployment
    said: list[str] = field(default_factory=list)

    def succeeds(self, *command: str) -> None:
        """Require that a run ends well, `up` by default."""
        self.deployment.stack.recover()
        status, said = self._run(*(command or UP))
        assert status == 0, said

    def refused(self, *command: str) -> str:
        """Require that a run fails, `up` by default, and return what it wrote."""
        status, said = self._run(*(command or UP))
        assert status != 0, said
        return "\n".join((said, *advice(said)))

    def _run(self, *command: str) -> tuple[int, str]:
        """Run `pulumi`, keep all that it writes, and return its exit status and that."""
        stack = self.deployment.stack
        done = subprocess.run(
            stack._command(*command),
            cwd=stack.folder,
            env=stack.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        self.said.append(done.stdout)
        return done.returncode, done.stdout

    def refused_while(self, moment: str, act: Callable[[], object]) -> str:
        """Require that `up` fails when something is done at a moment of it, and return what it wrote.

        Args:
            moment: A command for the node that ends when the moment has come.
            act: What is done then.
        """
        with ThreadPoolExecutor(1) as background:
            running = background.submit(self.refused)
            self.deployment.on_node(moment)
            act()
            return running.result()

    def kill(self, *command: str, after: float | str) -> bool:
        """Begin a run and kill `pulumi` alone, as the kernel does when memory is short; its plugins go on.

        Args:
            command: The run.
            after: Seconds, or a command for the node that ends when the moment has come.

        Returns:
            Whether it was killed: a run that had ended before the moment came was not.
        """
        stack = self.deployment.stack
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                stack._command(*command),
                cwd=stack.folder,
                env=stack.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                if isinstance(after, str):
                    self.deployment.on_node(after)
                else:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(after)
            finally:
                process.kill()
                process.wait()
            output.seek(0)
            self.said.append(output.read())
        return process.returncode == -signal.SIGKILL

    def converged(self) -> bool:
        """Tell whether another `up` has nothing to do and the node is Ready."""
        self.succeeds(*UP, "--expect-no-changes")
        wait = "KUBECACHEDIR=/run/k3s/kubectl k3s kubectl wait node/a1 --for condition=Ready --timeout 60s"
        return self.deployment.on_node(wait) == "node/a1 condition met"

    def wait_until(self, test: str) -> None:
        """Wait until a command on the node succeeds."""
        until = time.monotonic() + _NODE_SECONDS
        while self.deployment.on_node(f"{test} && echo so") != "so":
            assert time.monotonic() < until, test
            time.sleep(1)

    def cut_connections(self) -> None:
        """End every SSH connection to the node, this one too; what was begun there goes on."""
        with self.deployment.node.connect() as client:
            client.exec_command('sudo -n pkill --signal KILL --full "^sshd: a1@"')
            time.sleep(0.5)


def cut_power(engine: Engine, node: Node, group: str) -> None:
    """End everything on a node at once, as a power cut does."""
    engine.run("kill", f"a1-sandbox-{group}.{node.name}")


def copy_of(bundle: Path, target: Path, change: Callable[[dict[str, Any]], None], *parts: str) -> Path:
    """Return a copy of a bundle's system, and of parts, with a changed list.

    K3s and images are shared with it, so never write into one; charts are the copy's own.
    """
    listed = json.loads((bundle / "bundle.json").read_text())
    listed["parts"] = {name: listed["parts"][name] for name in ("system", *parts)}
    for name, part in listed["parts"].items():
        shutil.copytree(bundle / "images" / name, target / "images" / name, copy_function=_link)
        if part["chart"]:
            shutil.copytree(bundle / part["chart"]["path"], target / part["chart"]["path"])
    (target / "k3s").mkdir()
    _link(bundle / "k3s" / "k3s", target / "k3s" / "k3s")
    change(listed)
    (target / "bundle.json").write_text(json.dumps(listed))
    return target


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@dataclass
class Releases:
    """A server of K3s's releases that can be made to fail.

    Attributes:
        binary: What it serves as K3s.
        fault: `wrong digest`, `missing file`, `cut connection`, `silence` in the middle, or nothing.
    """

    binary: Path
    fault: str = ""

    @contextmanager
    def served(self, address: str) -> Iterator[str]:
        """Serve at an address of this machine; gives the URL to configure."""
        releases = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                releases._answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
                pass

        with http.server.ThreadingHTTPServer((address, 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield f"http://{address}:{server.server_port}"
            finally:
                server.shutdown()

    def _answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        folder, _, name = request.path.lstrip("/").partition("/")
        if folder != versions.K3S.replace("+", "%2B") or (name == "k3s" and self.fault == "missing file"):
            request.send_error(404)
        elif name == "sha256sum-amd64.txt":
            digest = hashlib.sha256(self.binary.read_bytes()).hexdigest()
            wrong = "0" * 64 if self.fault == "wrong digest" else digest
            self._send(request, f"{wrong}  k3s\n".encode())
        elif name == "k3s":
            self._send(request, self.binary.read_bytes(), half=self.fault in {"cut connection", "silence"})
            if self.fault == "silence":
                # Longer than anybody listens.
                time.sleep(300)
        else:
            request.send_error(404)

    @staticmethod
    def _send(request: http.server.BaseHTTPRequestHandler, content: bytes, *, half: bool = False) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: len(content) // 2] if half else content)


def random_moments(count: int) -> list[float]:
    """Return numbers between 0 and 1; A1_SEED gives those of an earlier run."""
    seed = os.environ.get("A1_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"A1_SEED={seed}")  # noqa: T201 - to run a failure again
    source = random.Random(seed)  # noqa: S311 - moments, no secrets
    return [source.random() for _ in range(count)]
