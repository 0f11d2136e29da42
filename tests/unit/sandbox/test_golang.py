"""Which Go the builds run with."""

import stat
from pathlib import Path

import pytest

from sandbox.build import golang
from sandbox.cache import Cache


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the folders that Go was installed into; nothing is downloaded."""
    folders: list[Path] = []
    monkeypatch.setattr(golang, "_install", folders.append)
    return folders


def go_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    folder.mkdir()
    (folder / "go").write_text(f"#!/bin/sh\necho go version {version} linux/amd64\n")
    (folder / "go").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize("version", ["go1.21.0", "go1.26.8", "go2.0"])
def test_an_installed_go_that_can_fetch_toolchains_is_used(
    cache: Cache, installed: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    go_on_path(tmp_path / "bin", monkeypatch, version)
    assert golang.search_path(cache) == f"{tmp_path / 'bin'}:/usr/bin:/bin"
    assert installed == []


@pytest.mark.parametrize("version", ["go1.20.14", "devel"])
def test_a_go_that_cannot_is_passed_over_for_one_in_the_cache_installed_once(
    cache: Cache, installed: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    go_on_path(tmp_path / "bin", monkeypatch, version)
    for _ in range(2):
        first = golang.search_path(cache).split(":")[0]
        assert Path(first).is_relative_to(cache.root / "toolchain")
        assert first.endswith("/go/bin")
    assert len(installed) == 1
