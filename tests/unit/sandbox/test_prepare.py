"""What the tests stand on is made within the time that there is for it."""

import time
from pathlib import Path

import pytest

from sandbox import prepare
from sandbox.cache import Cache
from sandbox.progress import Progress


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """A cache without KEDA, on a machine that could make it."""
    monkeypatch.setattr(prepare, "require_fit", lambda _: ([], ["keda"]))
    monkeypatch.setattr(prepare, "remove_leftovers", lambda *_: None)
    monkeypatch.setattr(prepare, "ready_parts", lambda _: ([], ["keda"]))
    return Cache(tmp_path)


def _compiles(_: Cache, progress: Progress) -> None:
    for _step in range(1000):
        progress("compiling")
        time.sleep(0.01)


def test_what_is_not_made_in_time_is_told_and_left_for_the_next_run(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "make_bundle", _compiles)
    said: list[str] = []
    prepare.prepare_rest(cache, said.append, 0.05)
    assert said[-1] == "keda: left for the next run, as the time for builds is over"
    assert prepare.left_for_later(cache) == ["keda"]


def test_a_run_that_makes_everything_leaves_nothing_for_later(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "make_bundle", _compiles)
    prepare.prepare_rest(cache, lambda _: None, 0.05)
    monkeypatch.setattr(prepare, "make_bundle", lambda *_: None)
    prepare.prepare_rest(cache, lambda _: None)
    assert prepare.left_for_later(cache) == []


def test_what_another_run_has_made_since_is_no_longer_left(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "make_bundle", _compiles)
    prepare.prepare_rest(cache, lambda _: None, 0.05)
    monkeypatch.setattr(prepare, "ready_parts", lambda _: (["keda"], []))
    assert prepare.left_for_later(cache) == []
