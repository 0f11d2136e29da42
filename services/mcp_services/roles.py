"""The programs by the name that `ROLE` gives. Imported late: no role pays for the libraries of another."""

import importlib
from typing import cast

from mcp_services.core.serve import Role

MODULES = {
    "mcp-gateway": "mcp_services.gateway.app",
    "mcp-policy-proxy": "mcp_services.policy.app",
    "mcp-orchestrator-api": "mcp_services.orchestrator.app",
    "mcp-config": "mcp_services.config.app",
    "mcp-tracehub": "mcp_services.tracehub.app",
    "example-tools": "mcp_services.examples.tools",
}


def build(name: str) -> Role:
    """Make the program `name` from the environment.

    Raises:
        KeyError: There is no such role.
    """
    return cast("Role", importlib.import_module(MODULES[name]).build())
