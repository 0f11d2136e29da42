"""The parts' charts as Helm renders them with our values, for tests of what they bring."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from a1platform import versions
from a1platform.bundle import Bundle, BundleError, load
from a1platform.delivery.manifest import Manifest
from a1platform.platform.component import Platform, PlatformArgs
from a1platform.platform.selection import NAMES, charts, report
from a1platform.settings.platform import PlatformSettings
from sandbox.cache import Cache
from tests.components.conftest import Declared, declare

__all__ = ["brought", "bundle", "declare", "lacking"]

_RELEASE = "kubernetes:helm.sh/v3:Release"
_KIND = "kind: CustomResourceDefinition"
_OF_THE_CLUSTER = {
    "APIService",
    "ClusterRole",
    "ClusterRoleBinding",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The sandbox's bundle; without one the test is skipped."""
    try:
        return load(Cache.default().root / "bundle")
    except (BundleError, OSError) as error:
        pytest.skip(f"the sandbox has made no bundle yet: {error}")


@pytest.fixture(scope="module")
def lacking(bundle: Bundle) -> dict[str, str]:
    """Why parts that are on by default cannot be had from the bundle, by name."""
    settings = PlatformSettings()
    told, there = report(settings, bundle), charts(settings, bundle)
    return {name: told[name] for name in NAMES if name in told and name not in there}


@pytest.fixture(scope="module")
def brought(
    declare: Callable[..., dict[str, Declared]], bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> list[Manifest]:
    """What Helm would apply, but for kinds, from the charts of the sandbox's bundle; and our PodMonitors.

    Without Helm the test is skipped.
    """
    helm = helm_program()
    declared = declare(lambda: Platform("platform", PlatformArgs(bundle=bundle)).parts)
    folder = tmp_path_factory.mktemp("values")
    releases = [one.inputs for one in declared.values() if one.type == _RELEASE]
    found = [entry for one in releases for entry in rendered(helm, one, folder)]
    if not found:
        pytest.skip("the sandbox's bundle holds no chart of a part")
    return found + [one.inputs for one in declared.values() if one.inputs.get("kind") == "PodMonitor"]


def helm_program() -> str:
    """Return Helm: as the sandbox has built it, or from PATH; without either the test is skipped."""
    built = sorted(Cache.default().root.glob("programs/*/helm"), key=lambda path: path.stat().st_mtime)
    found = built[-1] if built else shutil.which("helm")
    if found is None:
        pytest.skip("helm is neither in the sandbox's cache nor on PATH")
    return str(found)


def rendered(helm: str, release: dict[str, Any], folder: Path) -> list[Manifest]:
    """Return what Helm would apply of a release, but for kinds.

    Args:
        helm: The program.
        release: Its `name`, `namespace`, `chart` and `values`.
        folder: For the file of values.
    """
    values = folder / f"{release['name']}.yaml"
    values.write_text(yaml.safe_dump(release["values"]))
    version = versions.K3S.partition("+")[0]
    command = [helm, "template", release["name"], release["chart"], "--namespace", release["namespace"]]
    command += ["--values", str(values), f"--kube-version={version}"]
    command += ["--api-versions=monitoring.coreos.com/v1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    # Kinds are no business of ours, and hold values that are no YAML of 1.1.
    texts = [one for one in re.split(r"^---$", done.stdout, flags=re.MULTILINE) if _KIND not in one]
    made = [one for one in map(yaml.safe_load, texts) if one]
    for one in made:
        if one["kind"] not in _OF_THE_CLUSTER:
            one["metadata"].setdefault("namespace", release["namespace"])
    return made
