"""The image of a node: a mirror that stalls is given up, and nothing of this machine is lost with it."""

import os
import sys
from pathlib import Path

import pytest

from sandbox.build import process
from sandbox.cache import Cache
from sandbox.engine import Engine, EngineError
from sandbox.fitness import UnfitError
from sandbox.mounts import mounts_below
from sandbox.node import image
from sandbox.node.image import ensure_image, require_image

_MIRROR = "http://deb.example.org/debian"
_RETRIEVES = """#!/bin/sh
echo "I: Retrieving ca-certificates"
{then}
"""


@pytest.fixture
def unmounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders below which is unmounted, while they are there; on a machine where we are root."""
    folders: list[Path] = []

    def note(*given: Path) -> None:
        folders.extend(folder for folder in given if folder.parent.is_dir())

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(image, "unmount_below", note)
    monkeypatch.setattr(image, "_mirror", lambda: [_MIRROR])
    monkeypatch.setattr(Engine, "run", lambda *_, **__: "")
    monkeypatch.setattr(process, "_LOOK_SECONDS", 0.2)
    return folders


def _make(folder: Path, then: str, said: list[str]) -> None:
    (folder / "debootstrap").write_text(_RETRIEVES.format(then=then))
    (folder / "debootstrap").chmod(0o755)
    ensure_image(Engine("docker", "", "a test's", ours=True), Cache(folder / "cache"), said.append)


def test_a_mirror_that_stalls_is_given_up_by_name_and_meanwhile_it_is_told_what_was_seen(
    unmounted: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "STALLED_SECONDS", 2.0)
    monkeypatch.setattr("sandbox.progress._REPORT_EVERY_SECONDS", 1)
    said: list[str] = []
    stalled = rf"debootstrap .* did nothing for 2 s; the Debian mirror \({_MIRROR}\) does not answer"
    with pytest.raises(EngineError, match=stalled) as error:
        _make(tmp_path, "sleep 60", said)
    assert "I: Retrieving ca-certificates\nWhole log: " in str(error.value)
    assert "  debootstrap: I: Retrieving ca-certificates, 1s" in said
    assert len(unmounted) == 1


def test_what_was_mounted_is_unmounted_before_an_interrupted_image_is_removed(
    unmounted: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sandbox.progress._REPORT_EVERY_SECONDS", 0.5)
    monkeypatch.setattr(image, "_last_lines", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _make(tmp_path, "sleep 60", [])
    [root] = unmounted
    assert not root.parent.exists()


@pytest.mark.usefixtures("unmounted")
def test_a_program_that_fails_is_told_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(
        EngineError, match=r"debootstrap for the node's image failed:\nI: Retr.*\nE: no such suite"
    ):
        _make(tmp_path, "echo E: no such suite; exit 1", [])


@pytest.mark.usefixtures("unmounted")
def test_who_is_not_root_is_told_that_it_takes_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UnfitError, match="needs root"):
        _make(tmp_path, f"{sys.executable} -c pass", [])


def _machine(there: str, monkeypatch: pytest.MonkeyPatch, cache: Cache) -> None:
    engine = Engine("docker", "", "a test's", ours=True)
    image_there = "sha256:1" if there == "engine with the image" else ""
    monkeypatch.setattr(os, "geteuid", lambda: 0 if there == "root" else 1000)
    monkeypatch.setattr(image, "find_engine", lambda _: engine if "engine" in there else None)
    monkeypatch.setattr(Engine, "run", lambda *_, **__: image_there)
    if there == "files":
        tar = image._root_tar(cache)
        tar.parent.mkdir(parents=True)
        tar.touch()


@pytest.mark.parametrize("there", ["root", "files", "engine with the image"])
def test_an_image_that_is_there_or_can_be_made_is_let_through(
    there: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _machine(there, monkeypatch, Cache(tmp_path))
    require_image(Cache(tmp_path))


@pytest.mark.parametrize("there", ["nothing", "engine"])
def test_an_image_that_only_root_can_make_is_told_without_anything_being_made(
    there: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _machine(there, monkeypatch, Cache(tmp_path))
    with pytest.raises(UnfitError, match="needs root"):
        require_image(Cache(tmp_path))


def test_mounts_below_a_folder_are_found_with_the_innermost_first(tmp_path: Path) -> None:
    root, table = tmp_path / "a root", tmp_path / "mounts"
    escaped = str(root).replace(" ", "\\040")
    places = (f"{escaped}/proc", f"{escaped}/proc/bus", f"{escaped}-other/proc", "/proc", f"{escaped}/sys")
    table.write_text("".join(f"none {place} none rw 0 0\n" for place in places))
    assert mounts_below(root, table=table) == [f"{root}/sys", f"{root}/proc/bus", f"{root}/proc"]
