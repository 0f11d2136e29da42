"""A build that waits for a server that never answers comes to an end, with a reason."""

import http.server
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import progress
from sandbox.build import go, process
from sandbox.build.go import BuildError, GoRecipe, ProxyError, build
from sandbox.build.process import StalledError, run, run_in_order
from sandbox.cache import Cache


def test_a_program_that_ends_gives_its_status_and_its_output(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert run([sys.executable, "-c", code], tmp_path, {}, log) == 3
    assert sorted(log.read_text().split()) == ["err", "out"]


def test_a_program_takes_what_a_cluster_beside_it_leaves(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run([sys.executable, "-c", "import os; print(os.nice(0))"], tmp_path, {}, log)
    assert int(log.read_text()) >= min(os.nice(0) + 10, 19)


def test_a_program_that_does_nothing_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STALLED_SECONDS", 2.0)
    monkeypatch.setattr(process, "_LOOK_SECONDS", 0.5)
    with pytest.raises(StalledError, match="did nothing for 2 s"):
        run(["/bin/sleep", "60"], tmp_path, {}, tmp_path / "log")


def test_a_program_that_works_in_silence_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STALLED_SECONDS", 1.5)
    monkeypatch.setattr(process, "_LOOK_SECONDS", 0.5)
    code = "import time; end = time.monotonic() + 4\nwhile time.monotonic() < end: sum(range(10000))"
    assert run([sys.executable, "-c", code], tmp_path, {}, tmp_path / "log") == 0


def test_an_interrupted_build_leaves_no_program_behind(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    mark = tmp_path / "mark"
    code = f"import time, pathlib; time.sleep(3); pathlib.Path({str(mark)!r}).touch()"
    with pytest.raises(KeyboardInterrupt):
        run([sys.executable, "-c", code], tmp_path, {}, tmp_path / "log", interrupt)
    time.sleep(4)
    assert not mark.exists()


_IN_ORDER = """
import pathlib, signal, sys, time

def end(number, _):
    time.sleep(1)
    pathlib.Path(sys.argv[1]).write_text(f"ended in order by {signal.Signals(number).name}")
    raise SystemExit(130)

signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
print("began", flush=True)
time.sleep(60)
"""


_FAR_BELOW = """
import pathlib, subprocess, sys, time

if depth := int(sys.argv[1]):
    subprocess.run([sys.executable, __file__, str(depth - 1), sys.argv[2]], check=True)
else:
    end = time.monotonic() + 4
    while time.monotonic() < end:
        sum(range(10000))
    pathlib.Path(sys.argv[2]).touch()
"""


def _interrupting(log: Path) -> Callable[[], None]:
    """A tick that interrupts once the program has begun."""

    def interrupt() -> None:
        if "began" in log.read_text():
            raise KeyboardInterrupt

    return interrupt


def test_what_must_not_be_killed_in_its_middle_gets_the_time_to_end(tmp_path: Path) -> None:
    mark, log = tmp_path / "mark", tmp_path / "log"
    with pytest.raises(KeyboardInterrupt):
        run_in_order([sys.executable, "-c", _IN_ORDER, str(mark)], log, _interrupting(log))
    assert mark.read_text() == "ended in order by SIGINT"


def test_what_it_has_begun_is_told_too_where_that_is_asked_for(tmp_path: Path) -> None:
    mark, log = tmp_path / "mark", tmp_path / "log"
    # A shell passes nothing on to what it waits for.
    script = 'trap "exit 143" TERM; "$0" -c "$1" "$2"; exit'
    command = ["sh", "-c", script, sys.executable, _IN_ORDER, str(mark)]
    with pytest.raises(KeyboardInterrupt):
        run_in_order(command, log, _interrupting(log), whole=True)
    assert mark.read_text() == "ended in order by SIGTERM"


def test_an_interrupt_from_the_keyboard_does_not_reach_it_beside_us(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run_in_order([sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"], log) == 0
    assert log.read_text() == "True\n"


def test_what_does_not_end_in_time_is_killed_with_all_that_it_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_END_IN_ORDER_SECONDS", 0.5)
    mark, log = tmp_path / "mark", tmp_path / "log"
    script = 'trap "" INT; (sleep 3; touch "$1") & echo began; wait; sleep 60'
    with pytest.raises(KeyboardInterrupt):
        run_in_order(["sh", "-c", script, "sh", str(mark)], log, _interrupting(log))
    time.sleep(4)
    assert not mark.exists()


def test_a_program_whose_mirror_stalls_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STALLED_SECONDS", 2.0)
    monkeypatch.setattr(process, "_LOOK_SECONDS", 0.5)
    with pytest.raises(StalledError, match="sh did nothing for 2 s"):
        run_in_order(["sh", "-c", "sh -c 'sleep 60; true'; true"], tmp_path / "log", whole=True)


def test_what_works_far_below_a_program_counts_as_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "STALLED_SECONDS", 1.5)
    monkeypatch.setattr(process, "_LOOK_SECONDS", 0.5)
    program, mark = tmp_path / "program.py", tmp_path / "mark"
    program.write_text(_FAR_BELOW)
    assert run_in_order([sys.executable, str(program), "3", str(mark)], tmp_path / "log") == 0
    assert mark.exists()


class _Silent(http.server.BaseHTTPRequestHandler):
    """Takes every request and never answers."""

    stop = threading.Event()

    def do_GET(self) -> None:
        """Wait until the test is over."""
        self.stop.wait(60)


@pytest.fixture
def silent_proxy() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Silent)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    _Silent.stop.set()
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
def test_a_module_proxy_that_never_answers_is_given_up_by_name(
    silent_proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPROXY", silent_proxy)
    monkeypatch.setattr(go, "_DOWNLOAD_SECONDS", 3)
    monkeypatch.setattr(progress, "_REPORT_EVERY_SECONDS", 1)
    recipe = GoRecipe("app", "example.com/app", "v1.0.0", {"app": ""}, toolchain="local")
    said: list[str] = []
    with pytest.raises(ProxyError, match=r"mod download .* for app was given up after 3s: no answer"):
        build(recipe, Cache(tmp_path / "cache"), said.append)
    assert any(line.startswith("  downloading example.com/app@v1.0.0, ") for line in said)


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
def test_a_module_proxy_that_cannot_be_reached_is_told_from_a_program_that_does_not_compile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPROXY", "http://127.0.0.1:1")
    recipe = GoRecipe("app", "example.com/app", "v1.0.0", {"app": "./app"}, toolchain="local")
    with pytest.raises(ProxyError, match="connection refused"):
        build(recipe, Cache(tmp_path / "cache"), lambda _: None)
    monkeypatch.setattr(go, "download", lambda *_: tmp_path)
    monkeypatch.setattr(go, "_write_module", _broken_module)
    with pytest.raises(BuildError, match="expected 'package'") as raised:
        build(recipe, Cache(tmp_path / "cache"), lambda _: None)
    assert not isinstance(raised.value, ProxyError)


def _broken_module(recipe: GoRecipe, cache: Cache, module: Path, work: Path) -> None:
    del recipe, cache, module
    (work / "app").mkdir(parents=True)
    (work / "go.mod").write_text("module a1platform.build/app\n")
    # Go sees it before it compiles anything, its own library too.
    (work / "app" / "main.go").write_text("no program\n")
