"""What builds leave in the cache is removed, what a further one starts from stays."""

from pathlib import Path

import pytest

from sandbox import leftovers
from sandbox.build.go import GO_FOLDERS
from sandbox.cache import Cache
from sandbox.leftovers import remove_leftovers


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setattr(leftovers, "_ENOUGH", 1)
    cache = Cache(tmp_path)
    for path in ("go/build/00/package-a", "go/mod/example.org/m@v1/m.go", "go/mod/cache/download/m.zip"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("x" * 5000)
    return cache


def test_downloads_stay_and_the_rest_goes(cache: Cache) -> None:
    said: list[str] = []
    remove_leftovers(cache, said.append)
    assert sorted(path.name for path in cache.root.joinpath("go").rglob("*") if path.is_file()) == ["m.zip"]
    assert "removing what the builds have left" in said[0]


def test_nothing_goes_while_somebody_builds(cache: Cache) -> None:
    with cache.lock(GO_FOLDERS, shared=True):
        remove_leftovers(cache, print)
    assert (cache.root / "go" / "build").is_dir()


def test_a_little_is_left_alone_without_a_word(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_ENOUGH", 10**9)
    said: list[str] = []
    remove_leftovers(cache, said.append)
    assert said == []
    assert (cache.root / "go" / "build").is_dir()
