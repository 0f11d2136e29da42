"""Run the Pulumi program on a stack: the local backend in the state folder, the toolchain's environment."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from a1platform.naming import PROJECT
from a1platform.settings.plain import plain
from sandbox.advice import advice
from sandbox.lost import belongs, machines
from sandbox.orphans import end_orphans

REPOSITORY = Path(__file__).resolve().parents[1]


class PulumiError(RuntimeError):
    """Pulumi failed; its lines stand on the terminal, or in the text where they were captured."""


@dataclass(frozen=True)
class Stack:
    """One stack of the program.

    Attributes:
        name: Name of the stack.
        environment: Environment of every command.
        folder: The project.
        config: The stack's configuration, `Pulumi.<name>.yaml` in the project by default.
    """

    name: str
    environment: Mapping[str, str]
    folder: Path = REPOSITORY
    config: Path | None = None

    def exists(self) -> bool:
        """Tell whether the backend knows the stack."""
        known = json.loads(self.read("stack", "ls", "--json", stack=False))
        return any(entry["name"].rsplit("/", 1)[-1] == self.name for entry in known)

    def create(self) -> None:
        """Create the stack where it is missing.

        Pulumi writes what encrypts the stack's secrets beside the project's file, whatever configuration file
        later commands are told to use; so a stack with a file elsewhere is created there.
        """
        if self.exists():
            return
        place: tuple[str, ...] = ()
        if self.config:
            name = f"name: {PROJECT}\nruntime: python\n"
            (self.config.parent / "Pulumi.yaml").write_text(name, encoding="utf-8")
            place = ("--cwd", str(self.config.parent))
        self.read("stack", "init", self.name, "--no-select", *place, stack=False)

    def remove(self) -> None:
        """Remove an empty stack from the backend."""
        self.read("stack", "rm", "--yes", "--preserve-config", self.name, stack=False)

    def recover(self) -> None:
        """Take away what a killed run has left: its lock and its plugins, and what it had begun.

        Everything that this program does can be done again, so what was begun is forgotten in the state;
        Pulumi would warn of it in every run.
        """
        backend = self._backend()
        for path in backend.glob(f".pulumi/locks/*/*/{self.name}/*.json"):
            lock = json.loads(path.read_text(encoding="utf-8"))
            if lock.get("hostname") == socket.gethostname() and not _is_pulumi(lock["pid"]):
                end_orphans(self.environment["PULUMI_BACKEND_URL"])
                path.unlink()
        file = state_file(backend, self.name)
        if file.exists() and '"pending_operations"' in file.read_text(encoding="utf-8"):
            self._change_state(lambda deployment: deployment.pop("pending_operations", None))

    def node_is_gone(self) -> bool:
        """Tell whether the configuration says that the machines are lost for good."""
        return str(self._setting("nodeIsGone")).lower() == "true"

    def is_alone(self) -> bool:
        """Tell whether there is one machine at most, in the configuration and in the state together.

        Who takes a lost one out of the configuration finds that it cannot be reached.
        """
        nodes = self._setting("nodes")
        listed = plain(nodes) if isinstance(nodes, str) else nodes
        entries = listed if isinstance(listed, list) else []
        names = {one.get("name") for one in entries if isinstance(one, dict)}
        file = state_file(self._backend(), self.name)
        known = machines(file.read_text(encoding="utf-8")) if file.exists() else frozenset[str]()
        return len(names | known) <= 1

    def _backend(self) -> Path:
        return Path(self.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))

    def _setting(self, key: str) -> Any:  # noqa: ANN401 - whatever YAML holds
        file = self.config or self.folder / f"Pulumi.{self.name}.yaml"
        content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
        return ((content or {}).get("config") or {}).get(f"{PROJECT}:{key}")

    def retain_everything(self) -> None:
        """Make the next `destroy` forget every resource instead of reaching for it.

        In the state, not by the program: what a destroy that failed has deleted lacks the outputs that the
        program needs, and the machine's key or bundle may be gone as well.
        """
        self._retain(lambda _: True)

    def retain_nodes(self, names: Collection[str]) -> None:
        """Make the next `destroy` forget what is on some machines, also where no `up` has come to that.

        Args:
            names: Names of the nodes.
        """
        if names:
            self._retain(lambda urn: any(belongs(urn, name) for name in names))

    def _retain(self, is_chosen: Callable[[str], bool]) -> None:
        def retain(deployment: dict[str, Any]) -> None:
            for resource in deployment.get("resources") or ():
                if is_chosen(resource["urn"]):
                    resource["retainOnDelete"] = True

        self._change_state(retain)

    def _change_state(self, change: Callable[[dict[str, Any]], object]) -> None:
        state = json.loads(self.read("stack", "export"))
        change(state["deployment"])
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(state, file)
            file.flush()
            self.read("stack", "import", "--file", file.name)

    def outputs(self) -> dict[str, object]:
        """Return the outputs, secrets in plain text: never print them."""
        found: dict[str, object] = json.loads(self.read("stack", "output", "--json", "--show-secrets"))
        return found

    def run(self, *arguments: str) -> None:
        """Run a command whose output goes to the terminal.

        Raises:
            PulumiError: It failed.
        """
        with self._environment() as environment:
            status, told = _shown(self._command(*arguments), self.folder, environment)
        if status:
            raise PulumiError(
                f"pulumi {arguments[0]} ended with {status}; the lines above say why{self._advice(told)}"
            )

    def read(self, *arguments: str, stack: bool = True) -> str:
        """Run a command and return what it prints.

        Raises:
            PulumiError: It failed; the text holds its message.
        """
        command = self._command(*arguments) if stack else ["pulumi", "--non-interactive", *arguments]
        with self._environment() as environment:
            done = subprocess.run(
                command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
            )
        if done.returncode:
            # Runs tell their errors on standard output; other commands print results there, secrets too.
            told = done.stdout + done.stderr if arguments[0] in _CONFIGURED else done.stderr
            shown = told.strip()[-_LAST_CHARACTERS:]
            raise PulumiError(f"pulumi {arguments[0]}: {shown}{self._advice(told)}")
        return done.stdout

    def _advice(self, told: str) -> str:
        return "".join(f"\n{line}" for line in advice(told, alone=self.is_alone()))

    @contextlib.contextmanager
    def _environment(self) -> Iterator[Mapping[str, str]]:
        # The Kubernetes plugin leaves a kubeconfig in the folder for temporary files, once per Helm release.
        with tempfile.TemporaryDirectory(prefix="a1-", ignore_cleanup_errors=True) as folder:
            yield {**self.environment, "TMPDIR": folder}

    def _command(self, *arguments: str) -> list[str]:
        place = ["--config-file", str(self.config)] if self.config and arguments[0] in _CONFIGURED else []
        return ["pulumi", "--non-interactive", *arguments, "--stack", self.name, *place]


def state_file(backend: Path, stack: str) -> Path:
    """Return where a backend of files keeps what a stack consists of.

    Args:
        backend: Folder of the backend.
        stack: Name of the stack.
    """
    return backend / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"


def _is_pulumi(pid: int) -> bool:
    """Tell whether a process is one of Pulumi: after a restart of this machine its number is another's."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return any(Path(word).name == "pulumi" for word in words[:2])
    return False


def _shown(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a command, show what it writes as it comes, and return its exit status and the text.

    Raises:
        KeyboardInterrupt: It was interrupted or terminated, and has ended; a second one does not wait.
    """
    colour = ["--color", "always"] if os.isatty(1) else []
    kept: list[str] = []
    with (
        subprocess.Popen(
            [*command, *colour],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
        _ending_in_order(process) as interrupted,
    ):
        for line in process.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            kept.append(line)
        process.wait()
    if interrupted:
        raise KeyboardInterrupt
    return process.returncode, _COLOUR.sub("", "".join(kept))


@contextlib.contextmanager
def _ending_in_order(process: "subprocess.Popen[str]") -> Iterator[Sequence[int]]:
    """Give a program the time to end when it is interrupted, as a killed one leaves work half done.

    An interrupt from the keyboard reaches it by itself, a termination of this process is passed on as one.

    Yields:
        The signals that came.
    """
    received: list[int] = []

    def note(number: int, _frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        if number == signal.SIGTERM:
            process.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LAST_CHARACTERS = 4000
_CONFIGURED = frozenset({"up", "preview", "destroy", "refresh"})
