"""How long the parts take by themselves: on a cluster that is Ready and has their images."""

from functools import partial
from pathlib import Path

import pytest

from a1platform.naming import PROJECT, token
from a1platform.platform.selection import NAMES, OPTIONAL, SERVICES
from sandbox.cache import Cache
from sandbox.parts import PARTS
from sandbox.progress import to_terminal
from sandbox.pulumi import Stack
from sandbox.up import down, up
from tests.bench.conftest import Figures, sandbox_api, sandbox_stack, seconds
from tests.bench.timeline import timeline, together
from tests.sandbox.deployment import DESTROY

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

_PARTS = [name for name, part in PARTS.items() if not part.optional and name != SERVICES]
"""All that are on by default, without the services, which would wait for them."""


def test_all_parts_get_healthy_on_a_ready_cluster_that_has_their_images(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    # Also where machines are configured: nobody has asked for load on those.
    monkeypatch.setenv("A1_SANDBOX", "1")
    if sandbox_stack(cache).exists():
        pytest.skip("the platform was there before: `make down` first")
    monkeypatch.setenv("A1_STATE", str(tmp_path))
    try:
        up(cache, to_terminal, _PARTS)
        _take_parts_away(sandbox_stack(cache))
        taken = seconds(partial(up, cache, to_terminal, _PARTS))
        parts = timeline(sandbox_api()).parts
    finally:
        down(cache, to_terminal)
    assert parts.keys() == set(NAMES) - OPTIONAL
    what = "all parts on a Ready cluster with their images, from the first release to the last pod Ready"
    figures.amount(what, round(together(parts)), "s")
    figures.amount("the `make up` that this is part of", round(taken), "s")


def _take_parts_away(stack: Stack) -> None:
    """Remove the parts from the cluster, with their namespaces, and leave their images on the node.

    Without them in the settings the state would forget the images too, and the next `up` send them again.
    """
    platform = token("platform", "Platform")
    urn = f"urn:pulumi:{stack.name}::{PROJECT}::{platform}::platform"
    stack.read(*DESTROY, "--target", urn, "--target-dependents")
