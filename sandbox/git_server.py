"""`git daemon` on the bridge of the sandbox's nodes: read-only, and nowhere else."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.git_repository import ENVIRONMENT, GitError, run

PORT = 9418
_PROGRAM = "git-daemon"
_ANSWERS_WITHIN_SECONDS = 10
_ONE_ANSWER_SECONDS = 3
_ENDS_WITHIN_SECONDS = 5


@dataclass(frozen=True)
class GitServer:
    """A server of the repositories in one folder.

    Attributes:
        folder: The folder; every repository in it is served to everyone who reaches the address.
        address: The only address that it listens on.
        port: Its port.
    """

    folder: Path
    address: str
    port: int = PORT

    def url(self, name: str) -> str:
        """Return the address of a repository.

        Args:
            name: Its folder's name.
        """
        port = "" if self.port == PORT else f":{self.port}"
        return f"git://{self.address}{port}/{name}"

    def ensure(self, name: str, commit: str) -> None:
        """Start the server where it does not run, and see that it serves this commit of a repository.

        Args:
            name: The repository's name.
            commit: What is on its branch.

        Raises:
            GitError: It does not start, or something else answers at its address.
        """
        if _processes(self.folder) and commit in self._said(name):
            return
        stop(self.folder)
        process = self._start()
        deadline = time.monotonic() + _ANSWERS_WITHIN_SECONDS
        while process.poll() is not None or commit not in self._said(name):
            if process.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / "daemon.log").read_text(errors="replace").strip()[-1000:]
                stop(self.folder)
                raise GitError(f"{self.url(name)} does not serve {commit[:12]}: {log or self._said(name)}")
            time.sleep(0.05)

    def _said(self, name: str) -> str:
        try:
            asked = ("ls-remote", "--heads", self.url(name))
            return run(self.folder / name, *asked, timeout=_ONE_ANSWER_SECONDS).decode()
        except GitError as error:
            return str(error)

    def _start(self) -> "subprocess.Popen[bytes]":
        program = Path(run(self.folder, "--exec-path").decode().strip()) / _PROGRAM
        if not program.is_file():
            raise GitError(f"found no {program}: install the Debian package git")
        with (self.folder / "daemon.log").open("w") as output:
            return subprocess.Popen(
                [
                    program,
                    f"--listen={self.address}",
                    f"--port={self.port}",
                    f"--base-path={self.folder}",
                    "--reuseaddr",
                    "--export-all",
                    "--init-timeout=10",
                    "--timeout=60",
                ],
                env=ENVIRONMENT,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # It outlives the terminal that `make up` was typed in.
                start_new_session=True,
            )


def stop(folder: Path) -> None:
    """End the server of a folder, if one runs; no other process is touched.

    Args:
        folder: What it serves.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _processes(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + _ENDS_WITHIN_SECONDS
        while _processes(folder) and time.monotonic() < deadline:
            time.sleep(0.05)


def _processes(folder: Path) -> Sequence[int]:
    """Return the server's processes, told by the folder that they serve: no number in a file can go stale."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if Path(words[0]).name == _PROGRAM and f"--base-path={folder}" in words[1:]:
                found.append(int(entry.name))
    return found
