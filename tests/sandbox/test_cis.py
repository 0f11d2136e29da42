"""The CIS benchmark for K3s, run by kube-bench on a node that the real program has provisioned."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.build.go import ProxyError
from sandbox.bundle import make_bundle
from sandbox.cache import Cache
from sandbox.engine import Engine
from sandbox.node import Node
from sandbox.progress import to_terminal
from sandbox.recipes.kube_bench import BENCHMARK, kube_bench
from sandbox.stack_settings import stack_settings, write
from tests.sandbox.deployment import DESTROY, UP, Deployment, deployment

pytestmark = [pytest.mark.sandbox, pytest.mark.long, pytest.mark.timeout(3600)]

_RUN = (
    "/opt/kube-bench/kube-bench --config-dir /opt/kube-bench --config /opt/kube-bench/config.yaml "
    f"--benchmark {BENCHMARK} --json run"
)
_OPERATORS_TOKENS = "5.1.6"
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
def benchmark(
    deployed: Deployment, cache: Cache, engine: Engine, group: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], list[dict[str, Any]]]:
    """Return what runs kube-bench on the node and gives the result of each check."""
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

    def run() -> list[dict[str, Any]]:
        with deployed.node.connect() as client:
            _, output, _ = client.exec_command(f"sudo -n {_RUN}", timeout=600)
            report = json.loads(output.read())
        controls = [tests for control in report["Controls"] for tests in control["tests"]]
        return [result for tests in controls for result in tests["results"]]

    return run


@pytest.fixture(scope="module")
def results(benchmark: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return benchmark()


def _failed(results: list[dict[str, Any]]) -> list[str]:
    return [f"{one['test_number']} {one['test_desc']}" for one in results if one["status"] == "FAIL"]


def test_nothing_fails(results: list[dict[str, Any]]) -> None:
    counted = Counter(str(result["status"]) for result in results)
    to_terminal(f"kube-bench {BENCHMARK}: {dict(counted)}")
    assert counted["PASS"] > 70
    assert _failed(results) == []


def test_each_warning_that_stays_has_its_reason_in_the_documentation(results: list[dict[str, Any]]) -> None:
    text = _DOCUMENT.read_text(encoding="utf-8")
    warned = {str(one["test_number"]) for one in results if one["status"] == "WARN"}
    assert sorted(number for number in warned if f"| {number} |" not in text) == []


def test_on_the_whole_platform_one_check_fails_by_its_letter_as_operators_need_their_tokens(
    deployed: Deployment, benchmark: Callable[[], list[dict[str, Any]]], cache: Cache
) -> None:
    bundle = make_bundle(cache, to_terminal)
    assert deployed.stack.config
    write(deployed.stack.config, stack_settings([deployed.node], bundle))
    deployed.stack.read(*UP)
    assert [failed.split()[0] for failed in _failed(benchmark())] == [_OPERATORS_TOKENS]
