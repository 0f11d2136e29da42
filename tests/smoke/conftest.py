"""The deployed platform: its API server by the kubeconfig in `KUBECONFIG`, and what its stack tells.

`make smoke` gives both, and names the stack's configuration. A check that needs a part which was left out is
skipped with the reason that the stack gives: it says so with `@pytest.mark.part("keda")`.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kr8s
import pytest

from a1platform.platform.selection import OPTIONAL
from tests.smoke.rest import Rest

_LEFT_OUT = "left out"


@dataclass(frozen=True)
class Outputs:
    """What the stack tells of what it deployed; the key stays out of failure messages."""

    parts: Mapping[str, str]
    services: Sequence[str]
    api_key: str = field(repr=False)


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """The kubeconfig of the deployment under test."""
    return _file("KUBECONFIG")


@pytest.fixture(scope="session")
def stack_file() -> Path:
    """The configuration of the deployment under test."""
    return _file("A1_STACK_FILE")


@pytest.fixture(scope="session")
def outputs() -> Outputs:
    """What the stack of the deployment under test tells."""
    return _told()


def _told() -> Outputs:
    told = json.loads(_file("A1_OUTPUTS").read_text(encoding="utf-8"))
    return Outputs(told["parts"], told["services"], told["apiKey"])


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> kr8s.Api:
    """A client of the cluster."""
    client: kr8s.Api = kr8s.api(kubeconfig=str(kubeconfig))
    return client


@pytest.fixture(scope="session")
def rest(api: kr8s.Api) -> Iterator[Rest]:
    """The same API server for what kr8s has no words for."""
    api.version()  # reads the kubeconfig, which kr8s does no sooner than it must
    with Rest.of(api) as client:
        yield client


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a check of something that was left out, with the reason, before a fixture looks for it."""
    for marker in item.iter_markers("part"):
        for name in marker.args:
            said = installed_from(name, _told())
            if said.startswith(_LEFT_OUT):
                pytest.skip(f"{name} is {said}")


def installed_from(name: str, outputs: Outputs) -> str:
    """Return what a part was installed from, or why it is left out; a part that nothing is told of fails."""
    if name in outputs.parts:
        return outputs.parts[name]
    assert name in OPTIONAL, (
        f"the stack tells nothing of {name}, neither what it is from nor why it is not there"
    )
    return "left out: off by default"


def listed(kind: Any, api: kr8s.Api, **query: Any) -> list[Any]:  # noqa: ANN401 - see below
    """Return the objects of a kind.

    kr8s types the items as objects or plain dictionaries, and its synchronous classes under no common base.
    """
    return list(kind.list(api=api, **query))


def _file(variable: str) -> Path:
    path = Path(os.environ.get(variable, ""))
    if not path.is_file():
        pytest.fail(f"{variable} names no file: run the suite by `make smoke`, after `make up`")
    return path
