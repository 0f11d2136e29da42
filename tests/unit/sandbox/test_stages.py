"""In which order the parts are installed while others are still made."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from a1platform.bundle import BundleError
from sandbox import stages
from sandbox.cache import Cache
from sandbox.progress import Progress


class Bench:
    """A bundle whose parts are made by a list."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Put the list in place of the real maker."""
        self.cache = Cache(tmp_path)
        self.monkeypatch = monkeypatch
        self.held: list[str] = []
        self.runs: list[str] = []
        self.said: list[str] = []
        self.ready: list[str] = []
        self.made: list[str] = ["system", "keda"]
        self.missing: list[str] = []
        self.failure: Exception | None = None
        self.installed: list[list[str]] = []
        monkeypatch.setattr(stages, "make_bundle", self._make)
        monkeypatch.setattr(stages, "held_parts", lambda *_: self.held)
        monkeypatch.setattr(stages, "ready_parts", self._readiness)

    def _readiness(self, *_: object) -> tuple[list[str], list[str]]:
        return self.ready, [part for part in (*self.made, *self.missing) if part not in self.ready]

    def _make(
        self, _cache: Cache, _progress: Progress, _parts: Iterable[str] | None, on_part: Callable[[str], None]
    ) -> None:
        for part in self.made:
            on_part(part)
        if self.failure:
            raise self.failure

    def run(self, look: Callable[[], None] = lambda: None) -> list[list[str]]:
        """Install in stages, and return what was installed each time; `look` is called before each time."""

        def install(parts: Sequence[str]) -> None:
            look()
            self.installed.append(list(parts))

        stages.install_in_stages(self.cache, self.said.append, None, self.runs, install)
        return self.installed


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    return Bench(monkeypatch, tmp_path)


def test_what_is_made_already_is_installed_in_one_act(bench: Bench) -> None:
    bench.ready = ["system", "keda"]
    assert bench.run() == [["system", "keda"]]


def test_in_the_end_everything_is_installed(bench: Bench) -> None:
    assert bench.run()[-1] == ["system", "keda"]


def test_nothing_that_runs_is_taken_away_while_it_is_made_anew(bench: Bench) -> None:
    bench.held = ["system", "keda", "argo-cd"]
    assert all(set(bench.held) <= set(parts) for parts in bench.run())


def test_what_runs_and_is_damaged_in_the_bundle_is_made_anew_before_anything_is_installed(
    bench: Bench,
) -> None:
    bench.held, bench.runs = ["system"], ["keda"]

    def make(_cache: Cache, _progress: Progress, _parts: object, on_part: Callable[[str], None]) -> None:
        on_part("system")
        time.sleep(0.1)
        on_part("keda")
        time.sleep(0.1)
        on_part("argo-cd")

    bench.monkeypatch.setattr(stages, "make_bundle", make)
    assert bench.run() == [["system", "keda"], ["system", "keda", "argo-cd"]]


@pytest.mark.parametrize(
    ("held", "runs", "missing", "lacking"),
    [
        (["system"], ["keda", "argo-cd"], ["argo-cd"], "argo-cd"),
        # Of a chart's definitions alone: the part is of no use without them.
        (
            ["system", "keda", "monitoring"],
            ["monitoring"],
            ["monitoring", "monitoring-crds"],
            "monitoring-crds",
        ),
        # The whole list is gone.
        ([], ["keda", "argo-cd"], ["argo-cd"], "argo-cd"),
    ],
)
def test_nothing_that_runs_is_taken_away_when_it_cannot_be_made_anew(
    bench: Bench, held: list[str], runs: list[str], missing: list[str], lacking: str
) -> None:
    bench.held, bench.runs = held, runs
    bench.missing = missing
    bench.failure = BundleError(f"not made: {lacking}")
    with pytest.raises(BundleError, match=lacking):
        bench.run()
    assert bench.installed == []
    (line,) = bench.said
    assert line.startswith(f"nothing is changed on the node: {lacking} runs there")
    assert "Run `make up` again" in line
    assert "PARTS" in line


def test_the_others_are_installed_when_what_never_ran_cannot_be_made(bench: Bench) -> None:
    bench.held, bench.runs, bench.missing = ["system"], ["keda"], ["argo-cd"]
    bench.failure = BundleError("not made: argo-cd")
    with pytest.raises(BundleError, match="argo-cd"):
        bench.run()
    assert bench.installed[-1] == ["system", "keda"]
    assert bench.said == []


def test_what_runs_and_is_wanted_no_more_goes_whatever_the_bundle_holds_of_it(bench: Bench) -> None:
    bench.runs = ["argo-cd"]
    assert bench.run()[-1] == ["system", "keda"]


def test_nothing_is_installed_before_what_the_cluster_itself_needs(bench: Bench) -> None:
    bench.made = ["keda"]
    assert bench.run() == []


def test_a_part_that_cannot_be_made_is_told_after_the_others_are_installed(bench: Bench) -> None:
    bench.failure = BundleError("not made: argo-cd")
    with pytest.raises(BundleError, match="argo-cd"):
        bench.run()
    assert bench.installed[-1] == ["system", "keda"]


def test_the_last_installation_begins_when_it_is_known_what_cannot_be_made(bench: Bench) -> None:
    known: list[bool] = []

    def make(_cache: Cache, _progress: Progress, _parts: object, on_part: Callable[[str], None]) -> None:
        on_part("system")
        on_part("keda")
        while not bench.installed:
            time.sleep(0.01)
        failed.append("argo-cd")
        raise BundleError("not made: argo-cd")

    failed: list[str] = []
    bench.monkeypatch.setattr(stages, "make_bundle", make)
    with pytest.raises(BundleError, match="argo-cd"):
        bench.run(lambda: known.append(bool(failed)))
    assert known == [False, True]


def test_a_maker_that_breaks_is_no_success(bench: Bench) -> None:
    bench.failure = OSError(28, "No space left on device")
    with pytest.raises(OSError, match="No space left"):
        bench.run()


# A part whose build takes long, and an installation that begins while it lasts.
_RUN = """
import os, signal, sys, time
from pathlib import Path
from sandbox import stages
from sandbox.build.process import run
from sandbox.cache import Cache

root = Path(sys.argv[1])
build = ["/bin/sh", "-c", "echo $$ > number; exec sleep 60"]

def make(cache, progress, parts, on_part):
    on_part("system")
    with cache.making(root / "program") as out:
        run(build, root, {"PATH": "/usr/bin:/bin"}, root / "log")

def install(parts):
    while not (root / "number").exists() or not (root / "number").read_text():
        time.sleep(0.01)
    HOW

stages.make_bundle = make
stages.ready_parts = lambda *_: ([], ["system", "keda"])
stages.held_parts = lambda *_: []
signal.signal(signal.SIGTERM, signal.default_int_handler)
stages.install_in_stages(Cache(root), print, None, [], install)
"""


@pytest.mark.parametrize("how", ["raise RuntimeError('pulumi')", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_what_is_being_built_is_ended_with_the_run_that_it_is_built_for(how: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _RUN.replace("HOW", how), str(tmp_path)]
    done = subprocess.run(command, cwd=Path.cwd(), capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode != 0
    number = (tmp_path / "number").read_text().strip()
    assert not Path("/proc", number).exists(), done.stderr
    assert not list(tmp_path.glob(".program.*"))
