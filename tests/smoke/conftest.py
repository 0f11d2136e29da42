"""The deployed platform: its API server by the kubeconfig in `KUBECONFIG`."""

import os
from pathlib import Path
from typing import Any

import kr8s
import pytest


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """The kubeconfig of the deployment under test."""
    path = Path(os.environ.get("KUBECONFIG", ""))
    if not path.is_file():
        pytest.fail("KUBECONFIG names no file: run the suite by `make smoke`, after `make up`")
    return path


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> kr8s.Api:
    """A client of the cluster."""
    client: kr8s.Api = kr8s.api(kubeconfig=str(kubeconfig))
    return client


def listed(kind: Any, api: kr8s.Api, **query: Any) -> list[Any]:  # noqa: ANN401 - see below
    """Return the objects of a kind.

    kr8s types the items as objects or plain dictionaries, and its synchronous classes under no common base.
    """
    return list(kind.list(api=api, **query))
