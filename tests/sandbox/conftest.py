"""An engine and nodes of the tests' own, beside the user's; what a test starts is gone when it ends."""

import secrets
from collections.abc import Callable, Iterator

import pytest

from sandbox.cache import Cache
from sandbox.engine import Engine, EngineError, ensure_engine, find_engine, stop_engine
from sandbox.node import Node, nodes, start, stop
from sandbox.progress import to_terminal

StartNode = Callable[[str], Node]


@pytest.fixture(scope="session")
def cache() -> Cache:
    """Return the user's cache, so that nothing is built twice."""
    return Cache.default()


@pytest.fixture(scope="session")
def engine(cache: Cache) -> Iterator[Engine]:
    """Give an engine that answers; where none can be had, the test is skipped with the reason.

    One that the tests have started ends with them.
    """
    there = find_engine(cache) is not None
    try:
        yield ensure_engine(cache, to_terminal)
    except EngineError as error:
        pytest.skip(f"no container engine: {error}")
    if not there:
        stop_engine(cache, to_terminal)


@pytest.fixture(scope="module")
def group(engine: Engine) -> Iterator[str]:
    """Return the name of a group of nodes for one module, emptied at its end."""
    name = f"test-{secrets.token_hex(3)}"
    yield name
    for node in nodes(engine, name):
        stop(engine, node.name, name)


@pytest.fixture(scope="module")
def start_node(engine: Engine, cache: Cache, group: str) -> StartNode:
    """Return a function that starts a node by name in the module's group."""
    return lambda name: start(engine, cache, name, to_terminal, group)
