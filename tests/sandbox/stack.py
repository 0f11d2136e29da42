"""A throwaway Pulumi project whose program is a few lines of Python, run by the real command line."""

import json
import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROJECT = {"name": "throwaway", "runtime": "python", "main": "."}
_PREAMBLE = (
    "import pulumi\nfrom pulumi_command import local, remote\nfrom settings import CONNECTION, COPY, REMOTE\n"
)
_WITHIN_SECONDS = 240


@dataclass(frozen=True)
class Run:
    """What one run of `pulumi` did.

    Attributes:
        status: Its exit status.
        output: Everything that it wrote.
    """

    status: int
    output: str


@dataclass(frozen=True)
class Stack:
    """One stack of a throwaway project.

    Attributes:
        folder: The project.
        environment: What `pulumi` runs with.
    """

    folder: Path
    environment: Mapping[str, str]

    @staticmethod
    def make(folder: Path, environment: Mapping[str, str], settings: str) -> "Stack":
        """Make the project and its stack.

        Args:
            folder: Where to; made if missing.
            environment: What `pulumi` runs with.
            settings: Text of `settings.py`, which programs import CONNECTION, COPY and REMOTE from.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Pulumi.yaml").write_text(json.dumps(_PROJECT))
        (folder / "settings.py").write_text(settings)
        stack = Stack(folder, environment)
        made = stack.run("stack", "init")
        assert made.status == 0, made.output
        return stack

    def program(self, text: str) -> None:
        """Write the program: lines that may use `pulumi`, `local`, `remote` and the settings."""
        (self.folder / "__main__.py").write_text(_PREAMBLE + textwrap.dedent(text))

    def up(self, *arguments: str) -> Run:
        """Run `pulumi up` and require that it ends well."""
        done = self.run("up", "--yes", "--skip-preview", *arguments)
        assert done.status == 0, done.output
        return done

    def fail(self, *arguments: str) -> str:
        """Run `pulumi up`, require that it fails, and return what it wrote."""
        done = self.run("up", "--yes", "--skip-preview", *arguments)
        assert done.status != 0, done.output
        return done.output

    def destroy(self) -> Run:
        """Run `pulumi destroy` and require that it ends well."""
        done = self.run("destroy", "--yes", "--skip-preview")
        assert done.status == 0, done.output
        return done

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs, secrets in plain text."""
        done = self.run("stack", "output", "--json", "--show-secrets", errors=False)
        assert done.status == 0, done.output
        found: dict[str, Any] = json.loads(done.output)
        return found

    def state(self) -> str:
        """Return the state as it is kept."""
        done = self.run("stack", "export", errors=False)
        assert done.status == 0, done.output
        return done.output

    def run(self, *arguments: str, errors: bool = True) -> Run:
        """Run one command of `pulumi` without a terminal.

        Args:
            arguments: The command.
            errors: Whether the output holds what it wrote to standard error as well.
        """
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--stack", "test"],
            cwd=self.folder,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors else None,
            text=True,
            timeout=_WITHIN_SECONDS,
            check=False,
        )
        return Run(done.returncode, done.stdout)
