"""A machine that stands in for the real one in a preview, so that a pull request needs no node and no key."""

from pathlib import Path

from a1platform.settings.node import NodeSettings

_ADDRESS = "192.0.2.10"
"""Of the range that RFC 5737 keeps for documentation: it belongs to nobody."""


def placeholder_nodes() -> tuple[NodeSettings, ...]:
    """Return one node that cannot be reached."""
    return (
        # Its key is no key, which the checks of a real configuration refuse.
        NodeSettings.model_construct(
            name="a1",
            host=_ADDRESS,
            port=22,
            user="root",
            private_key_file=Path("/dev/null"),
            host_key="ssh-ed25519 none",
            role="server",
            address=_ADDRESS,
        ),
    )
