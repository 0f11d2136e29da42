"""A session of `a1 dev`, or of `mcp_services.dev`, as a process."""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

_SOURCES = Path(__file__).parents[1]


@contextlib.contextmanager
def running(command: Sequence[str]) -> Iterator[str]:
    """Run the command until it says that all is ready, and give the API key that it tells."""
    environment = {**os.environ, "PYTHONPATH": str(_SOURCES)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        told = []
        for line in process.stdout:
            told.append(line)
            if line.startswith("Ctrl-C"):
                break
        key = next((line.split()[-1] for line in told if line.startswith("API key")), "")
        try:
            assert key, told
            yield key
        finally:
            process.terminate()
