"""Where an engine can be had, and how its nodes are found after a restart of this machine."""

import os
from pathlib import Path

import pytest

from sandbox import engine as module
from sandbox.cache import Cache
from sandbox.engine import Engine, EngineError, engine_with_nodes, ensure_engine, require_engine
from sandbox.fitness import UnfitError

_OURS = Engine("docker", "unix:///run/ours.sock", "our own", ours=True)
_THERE = Engine("docker", "", "already here", ours=False)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """A cache, on a machine where no engine runs and ours would start."""
    (tmp_path / "dockerd").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "find_engine", lambda _: None)
    monkeypatch.setattr(module, "_start", lambda *_: _OURS)
    monkeypatch.setattr(module, "missing_capabilities", lambda: ("SYS_RESOURCE",))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return Cache(tmp_path / "cache")


def test_our_engine_is_started_only_where_it_holds_nodes(cache: Cache) -> None:
    assert engine_with_nodes(cache, lambda _: None) is None
    cache.folder("engine", "containers")
    assert engine_with_nodes(cache, lambda _: None) is None
    cache.folder("engine", "containers", "0123abcd")
    assert engine_with_nodes(cache, lambda _: None) == _OURS


def test_one_that_answers_is_not_started_again(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_engine", lambda _: _THERE)
    cache.folder("engine", "containers", "0123abcd")
    assert engine_with_nodes(cache, lambda _: None) == _THERE


def test_nodes_of_an_engine_that_is_not_installed_any_more_are_told(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "dockerd").unlink()
    cache.folder("engine", "containers", "0123abcd")
    with pytest.raises(EngineError, match=r"found nodes in .*containers and no dockerd.*install docker\.io"):
        engine_with_nodes(cache, lambda _: None)


def test_an_engine_can_be_had_as_root_where_the_machine_gives_what_it_takes(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_engine(cache)
    monkeypatch.setattr(module, "missing_capabilities", lambda: ("SYS_ADMIN",))
    with pytest.raises(UnfitError, match="withholds the capabilities SYS_ADMIN"):
        ensure_engine(cache, lambda _: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UnfitError, match="install docker and start it, or run this as root"):
        require_engine(cache)
    monkeypatch.setattr(module, "find_engine", lambda _: _THERE)
    require_engine(cache)
