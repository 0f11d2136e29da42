"""How Argo CD judges an Application below another one, by Argo CD's own program."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from a1platform.platform.argocd import values
from a1platform.platform.chart import OFFICIAL
from a1platform.platform.part import PartArgs
from a1platform.platform.sizes import Sizing
from a1platform.settings.argocd import ArgoCdSettings
from a1platform.settings.services import Profile

_KEY = "resource.customizations.health.argoproj.io_Application"


@pytest.mark.parametrize(
    ("status", "judged"),
    [
        ({}, "Progressing"),
        ({"health": {"status": "Healthy"}}, "Progressing"),
        ({"health": {"status": "Healthy"}, "sync": {"status": "OutOfSync"}}, "Progressing"),
        ({"health": {"status": "Healthy"}, "sync": {"status": "Synced"}}, "Healthy"),
        ({"health": {"status": "Degraded"}, "sync": {"status": "OutOfSync"}}, "Degraded"),
    ],
)
def test_an_application_is_healthy_only_when_it_is_also_as_its_repository_says(
    program: str, tmp_path: Path, status: dict[str, Any], judged: str
) -> None:
    told = values(PartArgs(OFFICIAL["argo-cd"], ArgoCdSettings(), Sizing(Profile.SMALL), monitoring=True))
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "labels": {"app.kubernetes.io/part-of": "argocd"}},
        "data": {_KEY: told["configs"]["cm"][_KEY]},
    }
    application = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "it"}}
    for name, content in (("config", config), ("application", {**application, "status": status})):
        (tmp_path / name).write_text(yaml.safe_dump(content))
    command = [program, "admin", "settings", "resource-overrides", "health", str(tmp_path / "application")]
    done = subprocess.run(
        [*command, "--argocd-cm-path", str(tmp_path / "config")], capture_output=True, text=True, check=False
    )
    assert f"STATUS: {judged}\n" in done.stdout, done.stderr
