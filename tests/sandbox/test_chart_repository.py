"""A chart repository that does not answer: the run ends and names it. Needs neither node nor cluster."""

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from a1platform.versions import KEDA_CHART
from sandbox.cache import Cache
from sandbox.progress import to_terminal
from sandbox.pulumi import REPOSITORY
from sandbox.toolchain import ensure
from tests.no_cluster import NO_CLUSTER
from tests.sandbox.stack import Stack

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]

_PROGRAM = """
import pulumi_kubernetes
from a1platform.platform.chart import Chart
from a1platform.platform.release import ReleaseArgs, release

cluster = pulumi_kubernetes.Provider("cluster", kubeconfig={kubeconfig!r})
part = pulumi.ComponentResource("test:index:Part", "part", None, pulumi.ResourceOptions(provider=cluster))
chart = Chart("keda", {version!r}, {repository!r})
release("keda", ReleaseArgs("keda", "keda", chart, {{}}, 60), part)
"""
# Helm itself gives up after 120 s; the rest is Pulumi, on a busy machine.
_PATIENCE = 220


@pytest.fixture(scope="module")
def stack(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A project whose program declares one release as the platform does."""
    folder = tmp_path_factory.mktemp("repository")
    environment = ensure(cache, to_terminal).environment(folder / "state")
    known = {**environment, "PYTHONPATH": str(REPOSITORY)}
    return Stack.make(folder / "project", known, "CONNECTION = COPY = REMOTE = None\n")


@pytest.fixture
def silent() -> Iterator[str]:
    """Give the address of a server that takes every connection and never says a word."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hold() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=hold, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    assert held, "nobody has asked"
    for one in held:
        one.close()


def _declare(stack: Stack, repository: str) -> None:
    kubeconfig = json.dumps(NO_CLUSTER)
    stack.program(_PROGRAM.format(kubeconfig=kubeconfig, version=KEDA_CHART, repository=repository))


def _releases(stack: Stack) -> list[str]:
    resources = json.loads(stack.state())["deployment"].get("resources") or []
    return [one["urn"] for one in resources if one["type"].endswith(":Release")]


@pytest.mark.long
def test_a_repository_that_never_answers_ends_the_run_with_its_address_and_nothing_half(
    stack: Stack, silent: str
) -> None:
    _declare(stack, silent)
    began = time.monotonic()
    said = stack.fail()
    assert time.monotonic() - began < _PATIENCE
    assert f'"{silent}" is not a valid chart repository or cannot be reached' in said
    assert _releases(stack) == []


def test_a_repository_that_nobody_serves_is_named_in_the_preview(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        nowhere = f"http://127.0.0.1:{once.getsockname()[1]}"
    _declare(stack, nowhere)
    said = stack.run("preview")
    assert said.status != 0
    assert f'"{nowhere}" is not a valid chart repository or cannot be reached' in said.output
