"""`python -m sandbox up|down|preview|smoke`: what the Makefile's targets of these names run."""

import argparse
import sys

from a1platform.cli.stack_file import StackFileError
from sandbox.cache import Cache
from sandbox.progress import to_terminal
from sandbox.up import down, preview, smoke, up

_ACTIONS = {"up": up, "down": down, "preview": preview, "smoke": smoke}


def main() -> int:
    """Run one action and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("action", choices=_ACTIONS)
    action = _ACTIONS[parser.parse_args().action]
    try:
        action(Cache.default(), to_terminal)
    except (RuntimeError, StackFileError) as error:
        to_terminal(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        to_terminal("interrupted; run it again to go on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
