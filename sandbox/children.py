"""Programs that this process has begun and that must not outlive it."""

import contextlib
import os
import signal
from pathlib import Path

# Fields of /proc/PID/stat after the name.
_PARENT, _SESSION = 1, 3


def end_children() -> None:
    """Tell every program that this process has begun to end.

    What has a session of its own stays: the container engine and the Git server are begun to go on.
    """
    ours = (os.getpid(), os.getsid(0))
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # One that ends meanwhile.
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if (int(fields[_PARENT]), int(fields[_SESSION])) == ours:
                os.kill(int(stat.parent.name), signal.SIGTERM)
