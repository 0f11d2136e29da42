"""What Gatekeeper adds to the time that the API server takes to admit an object."""

import time
from collections.abc import Iterator

import kr8s
import pytest
import yaml

from a1platform.platform.namespaces import GATEKEEPER
from a1platform.platform.policy_set import POLICIES, load
from a1platform.services.resolve import NAMESPACE
from tests.bench.conftest import Figures
from tests.bench.deployed import api, outputs
from tests.smoke.rest import Manifest, Rest

__all__ = ["api", "outputs"]

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

_CREATES, _WARM_UP = 200, 20
_SAMPLE = POLICIES / "container-probes" / "samples" / "allowed" / "both-probes.yaml"


@pytest.fixture(scope="module")
def rest(api: kr8s.Api) -> Iterator[Rest]:
    """The API server of a cluster on which the policies are in force."""
    with Rest.of(api) as client:
        first = load().policies[0]
        kinds = {one["name"] for one in client.resources("constraints.gatekeeper.sh/v1beta1")}
        if first.constraint["kind"].lower() not in kinds:
            pytest.skip("no policy is in force on the cluster")
        yield client


def test_the_time_that_gatekeeper_adds_to_a_create_is_measured(rest: Rest, figures: Figures) -> None:
    """Create a Deployment where the policies apply and where none does, in turns.

    A Deployment, since neither the quota nor the limits of the namespace have a say in it, and as a dry run,
    which goes through all of admission and leaves nothing.
    """
    *_, deployment = yaml.safe_load_all(_SAMPLE.read_text(encoding="utf-8"))
    with_policies, without = (_in(deployment, namespace) for namespace in (NAMESPACE, GATEKEEPER))
    for _ in range(_WARM_UP):
        _seconds(rest, with_policies)
        _seconds(rest, without)
    taken = [(_seconds(rest, with_policies), _seconds(rest, without)) for _ in range(_CREATES)]
    for share in (50, 95):
        slow, quick = (_at(share, [pair[side] for pair in taken]) * 1000 for side in (0, 1))
        figures.lines.append(
            f"admission of {_CREATES} creates, P{share}: {slow:.1f} ms with Gatekeeper, {quick:.1f} ms "
            f"without: {slow - quick:.1f} ms added"
        )


def _in(manifest: Manifest, namespace: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "name": "a1-bench", "namespace": namespace}}


def _seconds(rest: Rest, manifest: Manifest) -> float:
    begun = time.perf_counter()
    answer = rest.dry_run(manifest)
    taken = time.perf_counter() - begun
    assert answer.admitted, answer.message
    return taken


def _at(share: int, values: list[float]) -> float:
    """Return the value that a share of the values does not exceed, by the nearest rank."""
    return sorted(values)[-(-len(values) * share // 100) - 1]
