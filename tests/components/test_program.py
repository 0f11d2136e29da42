"""The program as Pulumi runs it: what it refuses in words, before anything is declared."""

import gc
import json
import runpy
import signal
from pathlib import Path

import pulumi
import pytest

from a1platform.naming import PROJECT
from tests.components.conftest import Echo

_PROGRAM = Path(__file__).parents[2] / "stacks" / "a1" / "__main__.py"


def test_a_damaged_bundle_ends_the_run_with_its_file_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = "0" * 64
    k3s = {"version": "v1.30.5+k3s1", "path": "k3s", "sha256": digest, "origin": "of a test"}
    image = {"path": "pause.tar", "sha256": digest, "references": ["pause:1"]}
    parts = {"system": {"images": [image], "origin": "of a test"}}
    (tmp_path / "bundle.json").write_text(json.dumps({"schema": 1, "k3s": k3s, "parts": parts}))
    (tmp_path / "k3s").write_bytes(b"damaged")
    # What it changes in its process would stay.
    monkeypatch.setattr(gc, "disable", lambda: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
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
