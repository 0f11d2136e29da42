"""The sink for Pulumi: one resource for one object, named as the object is."""

import json
from collections.abc import Mapping
from typing import Any

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


def applied_as(manager: str, manifest: Manifest) -> Manifest:
    """Return an object that is applied in another manager's name, so that this one can take it over whole.

    The API server keeps a field for as long as one of its managers asks for it. Under a name of Pulumi's own,
    what Pulumi once applied could never be removed by whoever applies the object after it.

    Args:
        manager: The field manager.
        manifest: The object.
    """
    # Forced, as Argo CD does it: what was changed by hand is put right instead of stopping a run.
    return _annotated(manifest, {"pulumi.com/patchFieldManager": manager, "pulumi.com/patchForce": "true"})


def awaited(manifest: Manifest, conditions: Mapping[str, str], seconds: int) -> Manifest:
    """Return an object that is done only when it has these values.

    Args:
        manifest: The object.
        conditions: Value by path, such as `.status.health.status`. One with a sign of equality is left out:
            the provider cannot be told of it.
        seconds: How long it is waited for.
    """
    told = [f"jsonpath={{{path}}}={value}" for path, value in conditions.items() if "=" not in value]
    annotations = {"pulumi.com/waitFor": json.dumps(told), "pulumi.com/timeoutSeconds": str(seconds)}
    return _annotated(manifest, annotations)


def _annotated(manifest: Manifest, annotations: Mapping[str, str]) -> Manifest:
    metadata: dict[str, Any] = manifest["metadata"]
    return {
        **manifest,
        "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **annotations}},
    }


def declare(manifest: Manifest, opts: pulumi.ResourceOptions, *, name: str = "") -> pulumi.CustomResource:
    """Declare one object.

    The resource is registered under its kind's own type with the manifest as it stands, because the classes
    of the SDK would rename every key, and `ConfigGroup` and `Chart` fail previews while the cluster is away.

    Args:
        manifest: The object, with a literal name and namespace.
        opts: Parent, provider and what to wait for.
        name: Logical name, where the object's own name is that of others elsewhere.
    """
    return pulumi.CustomResource(
        type_token(manifest),
        name or logical_name(manifest),
        dict(manifest),
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(version=PULUMI_KUBERNETES)),
    )


def declare_secret(
    name: str,
    metadata: Mapping[str, Any],
    content: Mapping[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> pulumi.CustomResource:
    """Declare a Secret, secret also in what the cluster returns.

    As `pulumi_kubernetes.core.v1.Secret` does; the types beside that one take half a second to import.

    Args:
        name: Logical name.
        metadata: The object's.
        content: Text by key; what of it is secret has to say so.
        opts: Parent, provider and what to wait for.
    """
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(content)}
    hidden = pulumi.ResourceOptions(additional_secret_outputs=["data", "stringData"])
    return declare(manifest, pulumi.ResourceOptions.merge(opts, hidden), name=name)
