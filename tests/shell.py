"""What ShellCheck says of a script, for tests of those that are rendered."""

import subprocess
import sys
from pathlib import Path

_PROGRAM = Path(sys.executable).with_name("shellcheck")


def shellcheck(script: str) -> str:
    """Return what ShellCheck finds in a Bash script; empty where it finds nothing.

    Args:
        script: Its text.
    """
    command = [str(_PROGRAM), "--shell=bash", "-"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    # Its own failures stand elsewhere than its findings.
    return done.stdout + done.stderr if done.returncode else ""
