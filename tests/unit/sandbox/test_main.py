"""What `python -m sandbox` says when something around it fails, and where its folders are."""

import signal
import subprocess
from pathlib import Path

import pytest

from sandbox import __main__ as program
from sandbox.cache import Cache, state_folder


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (
            OSError(28, "No space left on device", "/cache/k3s"),
            "error: [Errno 28] No space left on device: '/c",
        ),
        (
            subprocess.CalledProcessError(100, ["apt-get", "download", "runc"]),
            "error: apt-get download runc e",
        ),
        (RuntimeError("no engine"), "error: no engine"),
    ],
)
def test_what_fails_is_told_in_one_line_and_the_status_says_so(
    problem: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise problem

    monkeypatch.setattr(program, "up", fail)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["sandbox", "up"])
    assert program.main() == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(line)


@pytest.mark.parametrize(("given", "folder"), [("here", "here"), ("~/here", "home/here")])
def test_folders_that_are_given_stay_the_same_from_wherever_they_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("A1_CACHE", given)
    monkeypatch.setenv("A1_STATE", given)
    assert Cache.default().root == tmp_path / folder
    assert state_folder() == tmp_path / folder
