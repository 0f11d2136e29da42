"""Run the Pulumi program on a stack: the local backend in the state folder, the toolchain's environment."""

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from a1platform.naming import PROJECT

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

    def release_dead_lock(self) -> None:
        """Take away the lock that a killed run left: one of this machine whose process is gone."""
        backend = Path(self.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
        for path in backend.glob(f".pulumi/locks/*/*/{self.name}/*.json"):
            lock = json.loads(path.read_text(encoding="utf-8"))
            if lock.get("hostname") == socket.gethostname() and not Path(f"/proc/{lock['pid']}").exists():
                path.unlink()

    def outputs(self) -> dict[str, object]:
        """Return the outputs, secrets in plain text: never print them."""
        found: dict[str, object] = json.loads(self.read("stack", "output", "--json", "--show-secrets"))
        return found

    def run(self, *arguments: str) -> None:
        """Run a command whose output goes to the terminal.

        Raises:
            PulumiError: It failed.
        """
        done = subprocess.run(self._command(*arguments), cwd=self.folder, env=self.environment, check=False)
        if done.returncode:
            raise PulumiError(f"pulumi {arguments[0]} ended with {done.returncode}; the lines above say why")

    def read(self, *arguments: str, stack: bool = True) -> str:
        """Run a command and return what it prints.

        Raises:
            PulumiError: It failed; the text holds its message.
        """
        command = self._command(*arguments) if stack else ["pulumi", "--non-interactive", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            # Runs tell their errors on standard output; other commands print results there, secrets too.
            told = done.stdout + done.stderr if arguments[0] in _CONFIGURED else done.stderr
            raise PulumiError(f"pulumi {arguments[0]}: {told.strip()[-_LAST_CHARACTERS:]}")
        return done.stdout

    def _command(self, *arguments: str) -> list[str]:
        place = ["--config-file", str(self.config)] if self.config and arguments[0] in _CONFIGURED else []
        return ["pulumi", "--non-interactive", *arguments, "--stack", self.name, *place]


_LAST_CHARACTERS = 4000
_CONFIGURED = frozenset({"up", "preview", "destroy", "refresh"})


def is_interactive() -> bool:
    """Tell whether a person watches, so that Pulumi may draw its tree."""
    return os.isatty(1)
