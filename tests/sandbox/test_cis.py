"""The CIS benchmark for K3s, run by kube-bench on a node that the real program has provisioned."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.build.go import ProxyError
from sandbox.cache import Cache
from sandbox.engine import Engine
from sandbox.node import Node
from sandbox.progress import to_terminal
from sandbox.recipes.kube_bench import BENCHMARK, kube_bench
from tests.sandbox.deployment import DESTROY, UP, Deployment, deployment

pytestmark = [pytest.mark.sandbox, pytest.mark.long, pytest.mark.timeout(3600)]

_RUN = (
    "/opt/kube-bench/kube-bench --config-dir /opt/kube-bench --config /opt/kube-bench/config.yaml "
    f"--benchmark {BENCHMARK} --json run"
)
_DOCUMENT = Path(__file__).parents[2] / "docs" / "hardening.md"


@pytest.fixture(scope="module")
def deployed(
    cache: Cache, start_node: Callable[[str], Node], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    made = deployment(cache, start_node("a1"), tmp_path_factory.mktemp("state"))
    made.stack.read(*UP)
    yield made
    made.stack.read(*DESTROY)


@pytest.fixture(scope="module")
def results(
    deployed: Deployment, cache: Cache, engine: Engine, group: str, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("kube-bench")
    try:
        kube_bench(cache, to_terminal, folder)
    except ProxyError as error:
        pytest.skip(f"no kube-bench: {error}")
    packed = subprocess.run(
        ["tar", "-C", str(folder), "-cf", "-", "."], capture_output=True, check=True
    ).stdout
    container = f"a1-sandbox-{group}.{deployed.node.name}"
    engine.run("exec", container, "mkdir", "-p", "/opt/kube-bench")
    engine.run("cp", "-", f"{container}:/opt/kube-bench", given=packed)
    with deployed.node.connect() as client:
        _, output, _ = client.exec_command(f"sudo -n {_RUN}", timeout=600)
        report = json.loads(output.read())
    return [
        result for control in report["Controls"] for tests in control["tests"] for result in tests["results"]
    ]


def test_nothing_fails(results: list[dict[str, Any]]) -> None:
    counted = Counter(str(result["status"]) for result in results)
    to_terminal(f"kube-bench {BENCHMARK}: {dict(counted)}")
    assert counted["PASS"] > 70
    failed = [f"{one['test_number']} {one['test_desc']}" for one in results if one["status"] == "FAIL"]
    assert failed == []


def test_each_warning_that_stays_has_its_reason_in_the_documentation(results: list[dict[str, Any]]) -> None:
    text = _DOCUMENT.read_text(encoding="utf-8")
    warned = {str(one["test_number"]) for one in results if one["status"] == "WARN"}
    assert sorted(number for number in warned if f"| {number} |" not in text) == []
