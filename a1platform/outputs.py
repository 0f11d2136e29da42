"""The outputs of the stack: `pulumi stack output NAME`, with `--show-secrets` for secret ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import pulumi

_SECRET = frozenset({"kubeconfig", "api_key", "grafana_password"})


@dataclass(frozen=True)
class StackOutputs:
    """What a finished stack tells.

    Attributes:
        kubeconfig: For use from this machine; secret.
        k3s_version: The release that runs.
        parts: What each part, the services too, was installed from, or why it is left out, by name.
        services: Names of the services.
        gateway_url: The gateway's address inside the cluster.
        api_key: Bearer token of the client `smoke`; secret.
        grafana_password: Of Grafana's user `admin`; empty without Grafana. Secret.
    """

    kubeconfig: pulumi.Output[str]
    k3s_version: pulumi.Output[str]
    parts: pulumi.Output[dict[str, str]] | Mapping[str, str]
    services: pulumi.Output[Sequence[str]] | Sequence[str]
    gateway_url: pulumi.Output[str] | str
    api_key: pulumi.Output[str] | str
    grafana_password: pulumi.Output[str] | str

    def export(self) -> None:
        """Hand all of them to Pulumi, under their names in camelCase."""
        for each in fields(self):
            value = getattr(self, each.name)
            secret = each.name in _SECRET
            pulumi.export(_camel(each.name), pulumi.Output.secret(value) if secret else value)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)
