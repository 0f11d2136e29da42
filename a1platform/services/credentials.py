"""What the services authenticate with: generated once, and handed to the secret store.

The formats are those of docs/services.md.
"""

import hashlib
import json
from collections.abc import Mapping

import pulumi

from a1platform.naming import token
from a1platform.platform.random_text import random_text

KEY_NAME = "smoke"
"""What the gateway calls the client that shows the generated API key."""
_SCOPES = ("tools",)


class Credentials(pulumi.ComponentResource):
    """An API key for the first client, and the key of the services' internal tokens.

    Attributes:
        api_key: What a client sends as its bearer token; secret.
    """

    api_key: pulumi.Output[str]

    content: Mapping[str, Mapping[str, pulumi.Output[str]]]
    """What the store holds, Secret to key to value; the gateway gets a digest of the API key only."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the keys."""
        super().__init__(token("services", "Credentials"), name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        self.api_key = random_text(f"{name}-api-key", own)
        internal = random_text(f"{name}-internal-key", own)
        self.content = {
            "mcp-auth": {
                "api-keys.json": self.api_key.apply(api_keys),
                "jwks.json": pulumi.Output.secret(json.dumps({"keys": []})),
            },
            "mcp-internal": {"key": internal},
        }
        self.register_outputs({"api_key": self.api_key})


def api_keys(key: str) -> str:
    """Return the gateway's list of API keys with one client, by the digest of its key.

    Args:
        key: The client's key.
    """
    digest = hashlib.sha256(key.encode()).hexdigest()
    return json.dumps([{"name": KEY_NAME, "sha256": digest, "scopes": list(_SCOPES), "groups": []}])
