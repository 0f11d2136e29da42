"""`python -m sandbox.toolchain`: bring what is missing and print each part and its origin."""

import sys

from sandbox.build.go import BuildError
from sandbox.cache import Cache
from sandbox.progress import to_terminal
from sandbox.toolchain import ReleaseError, ensure


def main() -> int:
    """Bring and print the parts and return the exit status."""
    try:
        toolchain = ensure(Cache.default(), to_terminal)
    except (BuildError, ReleaseError) as error:
        to_terminal(str(error))
        return 1
    for part in toolchain.parts:
        sys.stdout.write(f"{part}\n  {part.folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
