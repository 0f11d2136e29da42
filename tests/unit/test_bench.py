"""What the figures of `make bench` are made from."""

import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from a1platform.platform.chart import MONITORING_CRDS
from a1platform.platform.namespaces import ARGO_CD, KEDA, NODE_EXPORTER, PROMETHEUS
from tests.bench import load
from tests.bench.memory import of_service
from tests.bench.timeline import Span, spans, together

ROOT = Path(__file__).parents[2]


def _release(name: str, namespace: str, made: str) -> dict[str, Any]:
    about = {"namespace": namespace, "labels": {"name": name}, "creationTimestamp": f"2026-11-26T10:{made}Z"}
    return {"metadata": about}


def _pod(namespace: str, ready: str, phase: str = "Running") -> dict[str, Any]:
    condition = {"type": "Ready", "lastTransitionTime": f"2026-11-26T10:{ready}Z"}
    return {"metadata": {"namespace": namespace}, "status": {"phase": phase, "conditions": [condition]}}


def test_a_parts_own_time_goes_from_its_release_to_its_last_pod() -> None:
    releases = [
        _release(MONITORING_CRDS, PROMETHEUS, "00:00"),
        _release("monitoring", PROMETHEUS, "00:10"),
        _release("keda", KEDA, "01:00"),
        # An upgrade's is a new one.
        _release("keda", KEDA, "09:00"),
        _release("of-somebody", "default", "00:00"),
    ]
    pods = [
        _pod(PROMETHEUS, "00:30"),
        _pod(NODE_EXPORTER, "00:40"),
        _pod(KEDA, "01:20"),
        _pod(KEDA, "08:00", "Succeeded"),
        _pod("kube-system", "09:00"),
        # What has no release yet has no time of its own.
        _pod(ARGO_CD, "09:00"),
    ]
    assert {part: span.seconds for part, span in spans(releases, pods).items()} == {
        "monitoring": 30.0,
        "keda": 20.0,
    }


def test_the_parts_time_together_goes_from_the_first_release_to_the_last_pod() -> None:
    def span(begun: int, healthy: int) -> Span:
        return Span(*(datetime(2026, 11, 26, 10, minute, tzinfo=UTC) for minute in (begun, healthy)))

    assert together({"keda": span(1, 2), "argo-cd": span(3, 7), "monitoring": span(2, 5)}) == 360.0


def _process(folder: Path, group: str, pss: int | None) -> None:
    folder.mkdir()
    (folder / "cgroup").write_text(f"0::{group}\n")
    if pss is not None:
        (folder / "smaps_rollup").write_text(f"Rss: {9 * pss} kB\nPss: {pss} kB\nPss_Anon: {pss} kB\n")


def test_the_memory_of_a_service_is_that_of_all_its_processes(tmp_path: Path) -> None:
    _process(tmp_path / "10", "/system.slice/k3s.service", 400)
    # containerd and a shim.
    _process(tmp_path / "11", "/system.slice/k3s.service", 70)
    _process(tmp_path / "12", "/a/container/system.slice/k3s.service", 8)
    _process(tmp_path / "13", "/kubepods.slice/pod", 1000)
    # One that has ended meanwhile.
    _process(tmp_path / "14", "/system.slice/k3s.service", None)
    command = of_service("k3s.service").replace("/proc", str(tmp_path))
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("478\n", "")


def test_make_bench_leaves_the_services_by_themselves_to_their_own_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = [line for line in makefile.splitlines() if "pytest -m bench" in line]
    assert [Path(word) for line in commands for word in line.split() if "tests" in word] == [
        Path("tests/bench"),
        Path("services/tests/test_bench.py"),
    ]


async def test_a_call_of_the_load_is_timed_from_when_it_was_due(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answered(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=503)

    app = web.Application()
    app.router.add_post("/", answered)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("URL", f"http://127.0.0.1:{runner.addresses[0][1]}/")
    async with aiohttp.ClientSession() as http:
        status, seconds = await load.call(http, time.perf_counter() - 7)
    await runner.cleanup()
    assert status == 503
    assert 7 < seconds < 12


def test_calls_that_were_not_served_are_told_as_a_share() -> None:
    told = load.told([(200, 0.1), (200, 0.2), (503, 0.3), (0, 0.4)], 2.0)
    assert (told["rate"], told["served"], told["other"]) == (2.0, 0.5, {"503": 1, "0": 1})
