"""Who ends a run ends Pulumi in order, however it was told to."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_PULUMI = f"""#!{sys.executable}
import signal, time

def end(*_):
    print("ended in order", flush=True)
    raise SystemExit(130)

signal.signal(signal.SIGINT, end)
print("began", flush=True)
time.sleep(60)
"""
# Interrupts are passed over by what is begun in the background, and by all that it begins.
_RUN = """
import os, signal
from sandbox import __main__ as program
from sandbox.pulumi import Stack

def up(*_):
    Stack("test", dict(os.environ)).run("up")

program.up = up
signal.signal(signal.SIGINT, signal.default_int_handler)
raise SystemExit(program.main())
"""
_GO_ON = "interrupted; run it again to go on"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """A function that begins `up` with a program in Pulumi's place, in a process group of its own."""
    fake = tmp_path / "pulumi"
    fake.write_text(_PULUMI)
    fake.chmod(0o755)
    begun: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, "up"],
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(Path.cwd())},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        return process

    yield begin
    for process in begun:
        process.kill()
        process.wait()


def test_a_termination_of_up_ends_pulumi_in_order_and_says_how_to_go_on(
    run: Callable[[], "subprocess.Popen[str]"],
) -> None:
    process = run()
    process.send_signal(signal.SIGTERM)
    said, told = process.communicate(timeout=20)
    assert "ended in order" in said
    assert told.splitlines()[-1] == _GO_ON


def test_an_interrupt_from_the_keyboard_reaches_pulumi_once(
    run: Callable[[], "subprocess.Popen[str]"],
) -> None:
    process = run()
    os.killpg(process.pid, signal.SIGINT)
    said, told = process.communicate(timeout=20)
    assert said.count("ended in order") == 1
    assert told.splitlines()[-1] == _GO_ON
