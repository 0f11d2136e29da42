"""Debian packages are installed to their end, whatever comes between."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import apt
from sandbox.apt import AptError, apt_install
from sandbox.fitness import UnfitError

_NOTES = """#!/bin/sh
echo "$(basename "$0") $1 $2" >> "{folder}/asked"
"""
_INSTALLS = f"""#!{sys.executable}
import pathlib, signal, sys, time

if sys.argv[1] == "install":
    # As apt does while dpkg is at work: what came is remembered, and the package is finished.
    came = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    print("began", flush=True)
    pathlib.Path("{{folder}}/began").touch()
    time.sleep(2)
    pathlib.Path("{{folder}}/finished").write_text(str(len(came)))
"""
_FAILS = """#!/bin/sh
test "$1" = update && { echo "E: no network"; exit 100; }
echo "E: Unable to locate package zstd"; exit 100
"""
_RUN = """
import os, signal
# Who was started in the background is deaf to it.
signal.signal(signal.SIGINT, signal.default_int_handler)
from sandbox import __main__ as program
from sandbox.apt import apt_install

os.geteuid = lambda: 0
program.up = lambda *_: apt_install("zstd")
raise SystemExit(program.main())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that come before the machine's, on a machine where we are root."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(apt, "_JOURNAL", tmp_path / "updates")
    return tmp_path


def _put(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content.replace("{folder}", str(folder)))
    (folder / name).chmod(0o755)


def test_an_installation_that_was_cut_off_is_finished_before_the_next_one(folder: Path) -> None:
    for name in ("apt-get", "dpkg"):
        _put(folder, name, _NOTES)
    apt_install("zstd")
    assert (folder / "asked").read_text().split("\n")[:-1] == [
        "apt-get update --quiet=2",
        "apt-get install --yes",
    ]
    (folder / "updates").mkdir()
    apt_install("zstd")
    assert "dpkg" not in (folder / "asked").read_text(), "an empty journal is that of a dpkg that has ended"
    (folder / "updates" / "0001").touch()
    (folder / "asked").unlink()
    apt_install("zstd")
    assert (folder / "asked").read_text().split("\n")[0] == "dpkg --configure -a"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_the_package_that_dpkg_is_at(folder: Path, number: signal.Signals) -> None:
    _put(folder, "apt-get", _INSTALLS)
    with subprocess.Popen(
        [sys.executable, "-c", _RUN, "up"],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        while not (folder / "began").exists():
            assert run.poll() is None
        # As a terminal does, which tells everybody in front of it.
        os.killpg(run.pid, number)
        _, told = run.communicate(timeout=30)
    assert (folder / "finished").read_text() == "1"
    assert told.splitlines()[-1] == "interrupted; run it again to go on"


def test_what_apt_says_of_a_package_is_told_and_not_what_it_says_of_a_source(folder: Path) -> None:
    _put(folder, "apt-get", _FAILS)
    with pytest.raises(AptError, match=r"apt-get install zstd failed:\nE: Unable to locate package zstd$"):
        apt_install("zstd")


def test_whoever_may_not_install_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UnfitError, match=r"found no gcc and libc6-dev.*`apt-get install gcc libc6-dev`"):
        apt_install("gcc", "libc6-dev")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnfitError, match="root on Debian"):
        apt_install("zstd")
