"""`a1 bundle`: what it hands on, and what it says of a folder."""

import json
import os
from importlib import util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from a1platform.bundle import file_digest
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


@pytest.mark.parametrize(
    ("held", "lacking"),
    [
        ({"k3s", "system"}, ""),
        ({"system"}, "has no k3s, and no node is installed without"),
        ({"k3s"}, "has no part system, and"),
        (set(), "has no k3s and no part system, and"),
    ],
)
def test_verify_refuses_what_no_node_can_be_installed_from_unless_that_is_said(
    tmp_path: Path, held: set[str], lacking: str
) -> None:
    binary = tmp_path / "k3s"
    binary.write_bytes(b"x")
    k3s = {"version": "v1.30.5+k3s1", "path": "k3s", "sha256": file_digest(binary), "origin": "a release"}
    listed = {
        "schema": 1,
        "k3s": k3s if "k3s" in held else None,
        "parts": {"system": {"origin": "Go modules"}} if "system" in held else {},
        "leftOut": {"grafana": "on no package registry"},
    }
    (tmp_path / "bundle.json").write_text(json.dumps(listed))
    done = CliRunner().invoke(app, ["bundle", "verify", str(tmp_path)])
    assert done.exit_code == (1 if lacking else 0)
    assert lacking in done.stderr
    assert "left out: grafana (on no package registry)" in done.stdout
    assert CliRunner().invoke(app, ["bundle", "verify", "--partial", str(tmp_path)]).exit_code == 0


def test_a_folder_without_a_bundle_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bundle", "list", str(tmp_path)])
    assert done.exit_code == 1
    assert f"no bundle in {tmp_path}" in done.stderr
