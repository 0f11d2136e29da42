"""An engine and nodes of the tests' own, beside the user's; what a test starts is gone when it ends.

Where no sandbox can be made, a test is skipped with the reason; where one could and was not, it fails.
"""

import secrets
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from sandbox.cache import Cache
from sandbox.engine import Engine, ensure_engine, find_engine, stop_engine
from sandbox.fitness import UnfitError
from sandbox.node import Node, nodes, start, stop
from sandbox.prepare import require_fit
from sandbox.progress import to_terminal
from tests.sandbox.deployment import DESTROY, UP, Deployment, all_concerns, deployment
from tests.sandbox.snapshot import snapshot

StartNode = Callable[[str], Node]
_WHOLE_BUNDLE = Path(__file__).with_name("test_bundle.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ask last for what the whole bundle is needed for: `make test` begins while the last parts are made."""
    items.sort(key=lambda item: item.path == _WHOLE_BUNDLE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None]:
    """Skip a test whose fixtures find that this machine is unfit."""
    return (yield from _skipping())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Skip a test that finds so itself, such as one that starts a node."""
    return (yield from _skipping())


def _skipping() -> Generator[None]:
    try:
        yield
    except UnfitError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session", autouse=True)
def temporary_files() -> Iterator[None]:
    """Take away what programs leave: the Kubernetes plugin a kubeconfig, once per Helm release."""
    with (
        tempfile.TemporaryDirectory(prefix="a1-test-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as changed,
    ):
        changed.setenv("TMPDIR", folder)
        yield


@pytest.fixture(scope="session")
def cache() -> Cache:
    """Return the user's cache, so that nothing is built twice."""
    return Cache.default()


@pytest.fixture(scope="session")
def engine(cache: Cache) -> Iterator[Engine]:
    """Give an engine that answers; one that the tests have started ends with them."""
    require_fit(cache)
    there = find_engine(cache) is not None
    yield ensure_engine(cache, to_terminal)
    if not there:
        stop_engine(cache, to_terminal)


@pytest.fixture(scope="module")
def group(engine: Engine, cache: Cache) -> Iterator[str]:
    """Return the name of a group of nodes for one module, emptied at its end."""
    # A `make down` that a module before tried has ended ours; this is the same one again.
    ensure_engine(cache, to_terminal)
    name = f"test-{secrets.token_hex(3)}"
    yield name
    for node in nodes(engine, name):
        stop(engine, node.name, name)


@pytest.fixture(scope="module")
def start_node(engine: Engine, cache: Cache, group: str) -> StartNode:
    """Return a function that starts a node by name in the module's group."""
    return lambda name: start(engine, cache, name, to_terminal, group)


@pytest.fixture(scope="module")
def bare(cache: Cache, start_node: StartNode, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Return a stack with every concern, for a node that nothing has touched yet."""
    made = deployment(cache, start_node("a1"), tmp_path_factory.mktemp("state"))
    made.configure(all_concerns)
    return made


@pytest.fixture(scope="module")
def before(bare: Deployment) -> dict[str, str]:
    """Return what the node holds before anything touches it."""
    return snapshot(bare.node)


@pytest.fixture(scope="module")
def hardened(bare: Deployment, before: dict[str, str]) -> Iterator[Deployment]:
    """Give the node hardened, with K3s; unless a test has done so, it is given back in the end."""
    assert before
    bare.stack.read(*UP)
    yield bare
    if bare.stack.exists():
        bare.stack.read(*DESTROY)
