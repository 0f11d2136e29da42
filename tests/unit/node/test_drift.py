"""Marks and findings: what makes Pulumi run a script again, and what does not."""

import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pulumi
import pytest

from a1platform.node import drift
from a1platform.node.connection import Answer
from a1platform.node.drift import Finding, HostState, parse
from a1platform.node.host_change import HostChange, HostFile, render_script
from a1platform.node.shell import guarded
from a1platform.settings.node import NodeSettings
from tests.unit.node.test_host_change import Host

_FINDING = Finding("sysctl x", "1", "0", "2026-01-01T00:00:00Z")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def _drift(host: Host, change: HostChange, verb: str, mark: str = "") -> str:
    script = guarded(render_script([change], "tests", state=str(host.state), mark=mark))
    done = subprocess.run(
        ["bash", "-s", "--", verb], input=script, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_while_all_is_as_declared_the_mark_stays_and_so_the_script() -> None:
    assert HostState({"hardening": "earlier"}, (), "now").mark("hardening") == "earlier"


@pytest.mark.parametrize(
    "state", [HostState({}, (), "now"), HostState({"hardening": "x"}, (_FINDING,), "now")]
)
def test_a_host_that_has_drifted_or_is_new_gets_another_mark(state: HostState) -> None:
    assert state.mark("hardening") == "now"


def test_an_upload_is_repeated_only_when_its_own_file_is_another() -> None:
    state = HostState({"upload-binary": "earlier"}, (_FINDING,), "now")
    assert state.upload_mark("binary", "k3s binary") == "earlier"
    assert state.upload_mark("binary", "sysctl x") == "now"
    assert HostState({}, (), "now").upload_mark("binary", "k3s binary") == ""


def test_where_nobody_asks_scripts_are_as_they_always_were() -> None:
    change = HostChange("example", "a test")
    assert HostState().mark("tests") == ""
    assert render_script([change], "tests", mark="") == render_script([change], "tests")


def test_a_host_keeps_the_mark_of_an_apply_until_it_is_given_back(host: Host) -> None:
    change = host.change(("a.conf", "one\n"))
    _drift(host, change, "apply", mark="2026-01-01T00:00:00Z")
    assert _drift(host, change, "drift") == "mark\ttests\t2026-01-01T00:00:00Z\n"
    _drift(host, change, "revert")
    assert not host.state.exists()


def test_an_apply_that_is_not_in_force_leaves_no_mark(host: Host) -> None:
    change = host.change(verify='a1_deviation "example live" on off')
    script = guarded(render_script([change], "tests", state=str(host.state), mark="now"))
    command = ["bash", "-s", "--", "apply"]
    failed = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "mark\t" not in _drift(host, change, "drift")


def test_drift_tells_what_since_when_and_does_not_fail_for_it(host: Host) -> None:
    change = host.change(("a.conf", "one\n"))
    _drift(host, change, "apply", mark="now")
    (host.root / "etc/a.conf").write_text("tampered\n")
    (finding,) = parse(_drift(host, change, "drift"))
    assert finding.concern == f"example {host.root}/etc/a.conf"
    assert finding.since.endswith("Z")


@pytest.mark.parametrize("said", ["", "mark\ttests\tearlier\n", "mark\ttests\tearlier\nx y\t1\t0\t\n"])
def test_a_host_that_could_not_tell_to_the_end_counts_as_drifted(
    node: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(drift, "shared", lambda _: nullcontext())
    monkeypatch.setattr(drift, "run_script", lambda *_: Answer(100, said, "E: Syntax error\n"))
    monkeypatch.setattr(pulumi.log, "warn", warned.append)
    state = drift.ask(NodeSettings.model_validate(node()), "a script")
    assert state.fresh
    assert state.mark("tests") == state.fresh
    # Before the first apply that is no news.
    assert ["exit status 100: E: Syntax error" in one for one in warned] == ([True] if said else [])


def test_a_host_where_nothing_is_declared_keeps_its_mark_too(host: Host) -> None:
    script = guarded(render_script([], "tests", state=str(host.state), mark="now"))
    subprocess.run(["bash", "-s", "--", "apply"], input=script, text=True, check=True)
    assert _drift(host, HostChange("example", "a test"), "drift") == "mark\ttests\tnow\n"


def test_a_file_for_another_machine_is_neither_written_nor_missed(host: Host) -> None:
    own, other = f"{host.root}/etc/own", f"{host.root}/etc/other"
    owner = host.change(("x", "x\n")).files[0].owner
    here = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    change = HostChange(
        "example",
        "a test",
        (
            HostFile(own, "x\n", owner=owner, machine=here),
            HostFile(other, "x\n", owner=owner, machine="pdp11"),
        ),
    )
    _drift(host, change, "apply")
    assert Path(own).exists()
    assert not Path(other).exists()
    assert _drift(host, change, "drift") == ""
