"""What a site writes into the settings of the platform as a secret is one in the state and in a diff, too."""

from collections.abc import Mapping

import pulumi

from a1platform.platform.recovery import RELEASE

_WRITTEN: Mapping[str, str] = {
    RELEASE: "values",
    "kubernetes:external-secrets.io/v1:ClusterSecretStore": "spec",
}
"""The input that holds what a site may write, by type."""


def kept_secret(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    """Have everything secret that a site may have written into a resource, below its first level's names.

    Which part of the configuration was encrypted Pulumi does not tell.

    Args:
        args: The resource.
    """
    name = _WRITTEN.get(args.type_, "")
    written = args.props.get(name)
    if not isinstance(written, Mapping):
        return None
    held = {key: pulumi.Output.secret(value) for key, value in written.items()}
    return pulumi.ResourceTransformationResult({**args.props, name: held}, args.opts)
