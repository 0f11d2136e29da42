"""Runs the role that the environment variable `ROLE` names."""

import gc
import os
import sys

import uvloop

from mcp_services import roles
from mcp_services.core import logs, serve
from mcp_services.core.settings import RoleSettings

_YOUNG_OBJECTS = 10_000


def main() -> int:
    """Run a role to its end; 2 when `ROLE` names none."""
    name = os.environ.get("ROLE", "")
    if name not in roles.MODULES:
        sys.stderr.write(f"ROLE must be one of: {', '.join(roles.MODULES)}\n")
        return 2
    logs.configure(name, RoleSettings().log_level)

    async def run() -> None:
        role = roles.build(name)
        # What was loaded stays for good; looking through it is the largest part of a collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_YOUNG_OBJECTS, 20, 50)
        await serve.run(role)

    uvloop.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
