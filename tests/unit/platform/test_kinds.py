"""Kinds that Helm installs once and never upgrades."""

import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from a1platform.node.shell import guarded
from a1platform.platform.kinds import kinds, kinds_script, upgrading
from a1platform.platform.recovery import RELEASE


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "crds").mkdir()
    for name in ("b", "a"):
        crd = {"kind": "CustomResourceDefinition", "metadata": {"name": f"{name}.example.com"}}
        (tmp_path / "crds" / f"{name}.yaml").write_text(
            f"---\n{yaml.safe_dump(crd)}# `$(reboot)` ${{HOME}}\n"
        )
    return tmp_path


def test_a_server_is_handed_every_kind_of_the_chart_as_it_stands(chart: Path, tmp_path: Path) -> None:
    kubectl = tmp_path / "k3s"
    kubectl.write_text('#!/bin/bash\necho "$@"; cat\n')
    kubectl.chmod(0o755)
    script = kinds_script(str(chart)).replace("/usr/local/bin/k3s", str(kubectl))
    done = subprocess.run(["bash", "-s"], input=guarded(script), capture_output=True, text=True, check=True)
    called, _, handed = done.stdout.partition("\n")
    assert called == "kubectl apply --server-side --force-conflicts --filename -"
    names = [one["metadata"]["name"] for one in yaml.safe_load_all(handed) if one]
    assert names == ["a.example.com", "b.example.com"]
    assert handed.count("`$(reboot)` ${HOME}") == 2


def test_a_downloaded_chart_and_one_without_kinds_have_none(tmp_path: Path) -> None:
    assert kinds("gatekeeper") == []
    assert kinds(str(tmp_path)) == []


def test_only_a_release_whose_chart_keeps_kinds_is_told_to_upgrade_them(
    chart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = object.__new__(pulumi.ResourceHook)
    # The engine takes a hook by its name; no hook is registered here.
    monkeypatch.setattr(pulumi, "ResourceHook", lambda _name, _function: hook)
    attach = upgrading(lambda _script: "")
    resource = object.__new__(pulumi.CustomResource)

    def attached(kind: str, **props: Any) -> pulumi.ResourceTransformationResult | None:  # noqa: ANN401
        options = pulumi.ResourceOptions(protect=True)
        return attach(pulumi.ResourceTransformationArgs(resource, kind, "name", props, options))

    result = attached(RELEASE, chart=str(chart))
    assert result is not None
    assert result.opts.protect is True
    assert result.opts.hooks is not None
    assert result.opts.hooks.before_update == [hook]
    # A part that was off and comes again finds kinds of its earlier version, which Helm leaves as they are.
    assert result.opts.hooks.before_create == [hook]
    assert attached(RELEASE, chart=str(tmp_path / "other")) is None
    assert attached("kubernetes:core/v1:Namespace", chart=str(chart)) is None
