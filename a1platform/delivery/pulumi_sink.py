"""The sink for Pulumi: one resource for one object, named as the object is."""

import pulumi

from a1platform.delivery.manifest import Manifest
from a1platform.versions import PULUMI_KUBERNETES


def type_token(manifest: Manifest) -> str:
    """Return the provider's type of an object, so that the provider waits for it as its kind demands.

    `apiVersion: v1` is spelled `core/v1` there.
    """
    version = manifest["apiVersion"]
    return f"kubernetes:{version if '/' in version else f'core/{version}'}:{manifest['kind']}"


def logical_name(manifest: Manifest) -> str:
    """Return the resource's name: the object's, and its kind, which together are unique in a namespace."""
    return f"{manifest['metadata']['name']}-{manifest['kind'].lower()}"


def declare(manifest: Manifest, opts: pulumi.ResourceOptions) -> pulumi.CustomResource:
    """Declare one object.

    The resource is registered under its kind's own type with the manifest as it stands, because the classes
    of the SDK would rename every key, and `ConfigGroup` and `Chart` fail previews while the cluster is away.

    Args:
        manifest: The object, with a literal name and namespace.
        opts: Parent, provider and what to wait for.
    """
    return pulumi.CustomResource(
        type_token(manifest),
        logical_name(manifest),
        dict(manifest),
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(version=PULUMI_KUBERNETES)),
    )
