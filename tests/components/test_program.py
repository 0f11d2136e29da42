"""The program as Pulumi runs it: what it refuses in words, and what it declares from a bundle."""

import asyncio
import gc
import json
import runpy
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from a1platform.naming import PROJECT
from tests.components.conftest import Declared, Echo
from tests.components.test_cluster import _Server
from tests.services_bundle import SERVICES_IMAGE, services_bundle

_PROGRAM = Path(__file__).parents[2] / "stacks" / "a1" / "__main__.py"


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the program changes in its process from staying."""
    monkeypatch.setattr(gc, "disable", lambda: None)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)


def test_a_damaged_bundle_ends_the_run_with_its_file_in_words(tmp_path: Path) -> None:
    digest = "0" * 64
    k3s = {"version": "v1.30.5+k3s1", "path": "k3s", "sha256": digest, "origin": "of a test"}
    image = {"path": "pause.tar", "sha256": digest, "references": ["pause:1"]}
    parts = {"system": {"images": [image], "origin": "of a test"}}
    (tmp_path / "bundle.json").write_text(json.dumps({"schema": 1, "k3s": k3s, "parts": parts}))
    (tmp_path / "k3s").write_bytes(b"damaged")
    pulumi.runtime.set_mocks(Echo(), preview=True)
    pulumi.runtime.set_all_config({f"{PROJECT}:bundle": str(tmp_path)})
    try:
        # Of any other error Pulumi prints a traceback.
        with pytest.raises(
            pulumi.RunError, match=f"{tmp_path}/k3s is not the file that bundle.json describes"
        ):
            runpy.run_path(str(_PROGRAM), run_name="__main__")
    finally:
        pulumi.runtime.set_all_config({})


@pytest.fixture
def pod_templates(
    declare: Callable[..., dict[str, Declared]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], dict[str, Any]]:
    """Return a function that gives the pods as declared from a bundle with this content."""
    for kind in ("resource", "error"):
        # The mock engine calls no hooks.
        monkeypatch.setattr(
            f"pulumi.resource_hooks.register_{kind}_hook", lambda _: asyncio.ensure_future(asyncio.sleep(0))
        )
    monkeypatch.setattr(pulumi, "export", lambda *_: None)

    def run(content: str) -> dict[str, Any]:
        bundle = services_bundle(tmp_path / content, content)
        pulumi.runtime.set_all_config({f"{PROJECT}:bundle": str(bundle.folder)})
        try:
            found = declare(_run, preview=True, answers=_Server())
        finally:
            pulumi.runtime.set_all_config({})
        return {
            name: one.inputs["spec"]["template"]
            for name, one in found.items()
            if one.type == "kubernetes:apps/v1:Deployment"
        }

    return run


def _run() -> None:
    runpy.run_path(str(_PROGRAM), run_name="__main__")


def test_another_program_of_the_services_in_the_bundle_makes_other_pods(
    pod_templates: Callable[[str], dict[str, Any]],
) -> None:
    first, other = pod_templates("a"), pod_templates("b")
    assert first.keys() == other.keys() != set()
    for name, template in first.items():
        [container] = template["spec"]["containers"]
        assert container["image"] == f"{SERVICES_IMAGE}-a"
        assert other[name]["spec"]["containers"][0]["image"] == f"{SERVICES_IMAGE}-b"
