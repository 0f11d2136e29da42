"""The program that tests of the platform run against the recording engine, and how its recording is read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi

from a1platform.bundle import Bundle, load
from a1platform.platform.component import Platform, PlatformArgs
from a1platform.settings.platform import PlatformSettings
from tests.components.conftest import Declared

Declare = Callable[..., dict[str, Declared]]
RELEASE = "kubernetes:helm.sh/v3:Release"
NAMESPACE = "kubernetes:core/v1:Namespace"
PARTS = ("gatekeeper", "external-secrets", "keda", "argo-cd", "monitoring")
RELEASES = {
    "platform-gatekeeper-release": ("gatekeeper", "gatekeeper-system"),
    "platform-external-secrets-release": ("external-secrets", "external-secrets"),
    "platform-keda-release": ("keda", "keda"),
    "platform-argo-cd-release": ("argocd", "argocd"),
    "platform-monitoring-crds": ("monitoring-crds", "prometheus"),
    "platform-monitoring-release": ("kps", "prometheus"),
}


def bundle_of(folder: Path, *names: str, **left_out: str) -> Bundle:
    """Return a bundle in a folder that has the charts of some parts, and reasons why others are left out."""
    charts = {name: {"path": f"charts/{name}", "version": "9.9.9", "sha256": "0" * 64} for name in names}
    parts = {name: {"origin": "upstream manifests", "chart": chart} for name, chart in charts.items()}
    (folder / "bundle.json").write_text(json.dumps({"schema": 1, "parts": parts, "leftOut": left_out}))
    return load(folder)


def program(args: PlatformArgs) -> Callable[[], pulumi.Output[Any]]:
    """Return the program: the platform on a provider, to be deleted with the cluster's installation."""

    def made() -> pulumi.Output[Any]:
        installed = pulumi.CustomResource("test:index:Install", "k3s", {})
        provider = pulumi.ProviderResource("kubernetes", "cluster", {})
        options = pulumi.ResourceOptions(provider=provider, deleted_with=installed)
        return Platform("platform", args, options).parts

    return made


def settings_of(**values: object) -> PlatformSettings:
    """Return the platform's settings, by the keys of the configuration."""
    return PlatformSettings.model_validate(values)


def of_type(declared: dict[str, Declared], kind: str) -> dict[str, Declared]:
    """Return what is of one type."""
    return {name: one for name, one in declared.items() if one.type == kind}


def before(declared: dict[str, Declared], name: str) -> set[str]:
    """Return everything that has to be there before a resource is begun."""
    found: set[str] = set()
    waiting = list(declared[name].after)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += declared[one].after
    return found
