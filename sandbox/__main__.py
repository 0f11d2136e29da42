"""`python -m sandbox up|down|preview|smoke|prepare|test|scan`: what the Makefile's targets do."""

import argparse
import shlex
import signal
import subprocess
import sys

from a1platform.bundle import BundleError
from a1platform.cli.stack_file import StackFileError
from sandbox.cache import Cache
from sandbox.prepare import prepare
from sandbox.progress import to_terminal
from sandbox.scan import scan
from sandbox.suite import suite
from sandbox.up import down, preview, smoke, up

_ACTIONS = {"down": down, "preview": preview, "smoke": smoke, "prepare": prepare, "scan": scan, "test": suite}


def main() -> int:
    """Run one action and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("action", choices=("up", *_ACTIONS))
    parser.add_argument(
        "--parts",
        default="",
        help="what `up` installs on the sandbox, comma-separated; all by default, `+tracing` beside all",
    )
    given = parser.parse_args()
    # The interrupt too: begun in the background by a shell, this ignores it, and so would all that it begins.
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.default_int_handler)
    parts = [part.strip() for part in given.parts.split(",") if part.strip()] or None
    try:
        if given.action == "up":
            up(Cache.default(), to_terminal, parts)
        else:
            _ACTIONS[given.action](Cache.default(), to_terminal)
    except (RuntimeError, StackFileError, BundleError, OSError) as error:
        to_terminal(f"error: {error}")
        return 1
    except subprocess.CalledProcessError as error:
        to_terminal(f"error: {shlex.join(map(str, error.cmd))} ended with {error.returncode}")
        return 1
    except KeyboardInterrupt:
        to_terminal("interrupted; run it again to go on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
