"""The program that Argo CD builds a folder with."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from a1platform.delivery.manifest import Manifest
from sandbox.cache import Cache

Build = Callable[[Path], list[Manifest]]


@pytest.fixture(scope="session")
def build() -> Build:
    """Builds a folder: by the kustomize that the sandbox built, by another, or by the one in kubectl."""
    made = sorted(Cache.default().root.glob("programs/*/kustomize"), key=lambda path: path.stat().st_mtime)
    alone, inside = made[-1] if made else shutil.which("kustomize"), shutil.which("kubectl")
    if not (alone or inside):
        pytest.skip("neither kustomize nor kubectl is here: the sandbox has not built it, and PATH has none")
    command = [str(alone), "build"] if alone else [str(inside), "kustomize"]

    def run(folder: Path) -> list[Manifest]:
        done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return list(yaml.safe_load_all(done.stdout))

    return run
