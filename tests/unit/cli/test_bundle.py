"""`a1 bundle`: what it hands on, and what it says of a folder."""

import json
import os
from importlib import util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from a1platform.cli.main import app

_SHA256 = "0" * 64


@pytest.mark.parametrize(
    ("given", "handed_on"),
    [
        ([], []),
        (["--parts", "system,keda"], ["--parts", "system,keda"]),
        (
            ["--chart", "keda", "./keda", "chart keda 2.17.2"],
            ["--chart", "keda", "keda", "chart keda 2.17.2"],
        ),
    ],
)
def test_build_is_the_bundles_own_program_in_the_place_of_this_one(
    monkeypatch: pytest.MonkeyPatch, given: list[str], handed_on: list[str]
) -> None:
    begun: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, words: begun.append(list(words)))
    done = CliRunner().invoke(app, ["bundle", "build", *given])
    assert done.exit_code == 0, done.output
    assert [words[1:] for words in begun] == [["-m", "sandbox.build_bundle", *handed_on]]


def test_build_says_where_bundles_are_made_when_the_repository_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(util, "find_spec", lambda _name: None)
    done = CliRunner().invoke(app, ["bundle", "build"])
    assert done.exit_code == 1
    assert "made by sandbox/" in done.stderr


def _bundle(folder: Path) -> Path:
    image = {"path": "images/keda.tar", "sha256": _SHA256, "references": ["ghcr.io/kedacore/keda:2.17.2"]}
    part = {"origin": "upstream manifests v2.17.2", "images": [image]}
    listed = {"schema": 1, "parts": {"keda": part}, "leftOut": {"grafana": "on no package registry"}}
    (folder / "images").mkdir()
    (folder / "images" / "keda.tar").write_bytes(b"x")
    (folder / "bundle.json").write_text(json.dumps(listed))
    return folder


def test_list_tells_every_part_and_what_was_left_out_and_why(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bundle", "list", str(_bundle(tmp_path))])
    assert done.exit_code == 0
    assert "keda" in done.output
    assert "left out: grafana (on no package registry)" in done.output


def test_verify_names_a_file_that_is_another(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bundle", "verify", str(_bundle(tmp_path))])
    assert done.exit_code == 1
    assert "images/keda.tar is not the file that bundle.json describes" in done.stderr


def test_a_folder_without_a_bundle_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bundle", "list", str(tmp_path)])
    assert done.exit_code == 1
    assert f"no bundle in {tmp_path}" in done.stderr
