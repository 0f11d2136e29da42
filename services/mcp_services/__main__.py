"""Runs the role that the environment variable `ROLE` names."""

import os
import sys

import uvloop

from mcp_services import roles
from mcp_services.core import logs, serve
from mcp_services.core.settings import RoleSettings


def main() -> int:
    """Run a role to its end; 2 when `ROLE` names none."""
    name = os.environ.get("ROLE", "")
    if name not in roles.MODULES:
        sys.stderr.write(f"ROLE must be one of: {', '.join(roles.MODULES)}\n")
        return 2
    logs.configure(name, RoleSettings().log_level)

    async def run() -> None:
        await serve.run(roles.build(name))

    uvloop.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
