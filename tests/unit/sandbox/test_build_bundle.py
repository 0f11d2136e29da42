"""`a1 bundle build` makes what an installation without a network can begin with: K3s and Pulumi are in it."""

import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from a1platform.bundle import BundleError, load
from sandbox import build_bundle as program
from sandbox.build.chart import ChartError
from sandbox.build.go import BuildError
from sandbox.build_bundle import build_bundle
from sandbox.bundle import PartsError
from sandbox.cache import Cache
from sandbox.k3s_source import K3sSource
from sandbox.progress import Progress


class Bench:
    """K3s and parts that are made at once, and can be told to fail."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put them in the place of the real ones."""
        self.cache = Cache(folder)
        self.done: list[str] = []
        self.said: list[str] = []
        self.broken: dict[str, Exception] = {}
        monkeypatch.setattr(program, "k3s_source", self._k3s)
        monkeypatch.setattr(program, "make_bundle", self._parts)
        monkeypatch.setattr(program, "ensure", lambda *_, **__: self._do("plugins"))
        monkeypatch.setattr(program, "add_plugins", lambda *_: {"command plugin": "test equipment"})
        monkeypatch.setattr(program, "ready_parts", lambda *_: self._do("room"))

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what in self.broken:
            raise self.broken[what]

    def _k3s(self, cache: Cache, _progress: Progress) -> K3sSource:
        self._do("k3s")
        path = cache.folder("programs") / "k3s"
        path.write_bytes(b"\x7fELF")
        return K3sSource(path, "Go modules")

    def _parts(self, cache: Cache, _progress: Progress, _parts: Iterable[str] | None) -> Path:
        self._do("parts")
        return cache.root / "bundle"

    def make(self, parts: Iterable[str] | None = None) -> Path:
        """Make the bundle."""
        return build_bundle(self.cache, self.said.append, parts)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


@pytest.mark.parametrize("parts", [None, ["system", "keda"], ["+tracing"]])
def test_k3s_comes_with_everything_and_with_what_it_starts_with(
    bench: Bench, parts: Iterable[str] | None
) -> None:
    k3s = load(bench.make(parts)).k3s
    assert k3s is not None
    assert k3s.origin == "Go modules"
    assert bench.done == ["room", "k3s", "plugins", "parts"]


def test_who_asks_for_another_part_alone_waits_for_no_k3s(bench: Bench) -> None:
    bench.make(["keda"])
    assert bench.done == ["parts"]


def test_a_command_plugin_that_is_left_out_is_told(bench: Bench) -> None:
    bench.make()
    assert bench.said == ["command plugin: left out: test equipment"]


def test_pulumis_programs_that_cannot_be_made_are_named_and_the_parts_go_on(bench: Bench) -> None:
    bench.broken = {"plugins": BuildError("no answer")}
    with pytest.raises(PartsError, match="plugins: no answer"):
        bench.make()
    assert bench.done == ["room", "k3s", "plugins", "parts"]


def test_nothing_is_built_for_an_unknown_part_or_without_room(bench: Bench) -> None:
    with pytest.raises(BundleError, match="unknown parts: tow"):
        bench.make(["system", "tow"])
    bench.broken = {"room": BundleError("too little disk")}
    with pytest.raises(BundleError, match="too little disk"):
        bench.make()
    assert bench.done == ["room"]


@pytest.mark.parametrize(
    ("parts", "failed"),
    [
        (lambda _: None, ["k3s"]),
        (lambda folder: PartsError(folder, {"keda": "no answer"}), ["k3s", "keda"]),
    ],
)
def test_a_k3s_that_cannot_be_made_is_named_with_its_last_lines_and_the_parts_go_on(
    bench: Bench, parts: Callable[[Path], PartsError | None], failed: list[str]
) -> None:
    bench.broken = {"k3s": BuildError("\n".join(f"line {number}" for number in range(40)))}
    if problem := parts(bench.cache.root):
        bench.broken["parts"] = problem
    with pytest.raises(PartsError, match="line 39") as raised:
        bench.make()
    assert bench.done == ["room", "k3s", "plugins", "parts"]
    assert list(raised.value.failures) == failed
    assert "line 3\n" not in str(raised.value)


@pytest.mark.parametrize("problem", [BundleError, ChartError, BuildError])
def test_a_chart_that_is_refused_is_told_in_words(
    problem: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> Path:
        raise problem("it asks for an image")

    monkeypatch.setattr(program, "add_chart", refuse)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["build", "--chart", "keda", "./keda", "chart keda"])
    assert program.main() == 1
    assert "it asks for an image" in capsys.readouterr().err
