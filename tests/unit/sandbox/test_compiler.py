"""Where there is no C compiler that is told, or mended, before the first build."""

import os
import shutil
from pathlib import Path

import pytest

from a1platform.bundle import BundleError
from sandbox.build import compiler
from sandbox.build.compiler import ensure_compiler
from sandbox.engine import EngineError


@pytest.fixture
def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH without gcc."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_a_compiler_that_is_there_is_taken_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gcc").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    ensure_compiler(said.append)
    assert said == []


def test_whoever_may_not_install_one_is_told_what_to_install(without: Path) -> None:
    assert shutil.which("apt-get") is None
    with pytest.raises(BundleError, match="apt-get install gcc libc6-dev"):
        ensure_compiler(lambda _: None)
    assert list(without.iterdir()) == []


def test_root_on_debian_gets_it_installed(without: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (without / "apt-get").touch(mode=0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(compiler, "apt_install", lambda *names: asked.append(names))
    ensure_compiler(lambda _: None)
    assert asked == [("gcc", "libc6-dev")]


def test_an_installation_that_fails_says_why(without: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (without / "apt-get").touch(mode=0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def fails(*_: str) -> None:
        raise EngineError("no such package")

    monkeypatch.setattr(compiler, "apt_install", fails)
    with pytest.raises(BundleError, match="no such package"):
        ensure_compiler(lambda _: None)
