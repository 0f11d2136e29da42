"""A C compiler that is missing is installed before the first build."""

from pathlib import Path

import pytest

from sandbox import apt
from sandbox.build.compiler import ensure_compiler


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The packages that are asked for, on a machine whose PATH is the test's folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    packages: list[tuple[str, ...]] = []
    monkeypatch.setattr(apt, "apt_install", lambda *names: packages.append(names))
    return packages


def test_a_compiler_that_is_there_is_taken_without_a_word(
    asked: list[tuple[str, ...]], tmp_path: Path
) -> None:
    (tmp_path / "gcc").touch(mode=0o755)
    said: list[str] = []
    ensure_compiler(said.append)
    assert (said, asked) == ([], [])


def test_one_that_is_missing_is_installed_with_what_it_needs(asked: list[tuple[str, ...]]) -> None:
    ensure_compiler(lambda _: None)
    assert asked == [("gcc", "libc6-dev")]
