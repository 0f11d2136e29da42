"""Calls at a constant rate from inside the cluster, for as long as something is done to it."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import kr8s

from a1platform.services.catalog import GATEWAY
from a1platform.services.model import HTTP_PORT
from a1platform.services.resolve import NAMESPACE
from tests.smoke.pods import program_pod, services_image
from tests.smoke.rest import Manifest, Rest
from tests.smoke.wait import eventually

RATE = int(os.environ.get("A1_RATE", "100"))
"""Calls a second."""
CALL, LIST = "tools/call", "tools/list"
_PROGRAM = Path(__file__).with_name("load.py")
_STARTED_WITHIN_SECONDS = 180
_ANSWERED_WITHIN_SECONDS = 60
_WARM_SECONDS = 5
_LEAST_SHARE = 0.9


@dataclass(frozen=True)
class Tally:
    """What became of the calls so far.

    Attributes:
        seconds: How long they have been made.
        longest: Seconds of the slowest.
        sent: How many were made.
        answered: How many have a result.
        lost: How many have none, by what came instead.
    """

    seconds: float
    longest: float
    sent: int
    answered: int
    lost: Mapping[str, int]

    @property
    def ended(self) -> int:
        """How many are over."""
        return self.answered + sum(self.lost.values())


class Traffic:
    """A pod that calls the gateway."""

    def __init__(self, rest: Rest, pod: Manifest) -> None:
        """Read what `pod` tells."""
        self._rest = rest
        self._pod = pod

    def now(self) -> Tally:
        """Return what became of the calls so far."""
        with contextlib.suppress(httpx2.HTTPError, ValueError):
            lines = self._rest.log(self._pod).splitlines()
            if lines:
                return Tally(**json.loads(lines[-1]))
        return Tally(0.0, 0.0, 0, 0, {})

    def assert_nothing_lost(self) -> None:
        """Wait until every call made until now is over, and require that each has its result."""
        sent = self.now().sent
        found = eventually(self.now, _ANSWERED_WITHIN_SECONDS, wanted=lambda seen: seen.ended >= sent)
        assert found.lost == {}, f"of {found.sent} calls, {sum(found.lost.values())} were lost: {found.lost}"
        assert found.ended >= sent, f"of {sent} calls, {sent - found.ended} are still not answered"
        rate = found.sent / found.seconds
        assert rate >= RATE * _LEAST_SHARE, f"only {rate:.0f} calls a second were made: too little is shown"


@contextlib.contextmanager
def traffic(api: kr8s.Api, api_key: str, method: str = CALL, rate: int = RATE) -> Iterator[Traffic]:
    """Have calls made from a namespace of their own, which goes with them.

    Args:
        api: The cluster.
        api_key: The client's.
        method: `CALL`, which is never sent twice on its way, or `LIST`, which may be.
        rate: Calls a second.
    """
    name = f"a1-traffic-{secrets.token_hex(4)}"
    space: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    where = {"name": "load", "namespace": name}
    url = f"http://{GATEWAY}.{NAMESPACE}:{HTTP_PORT}/mcp"
    held = {"API_KEY": api_key, "URL": url, "METHOD": method, "RATE": str(rate)}
    secret: Manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": where, "stringData": held}
    pod = program_pod(where, services_image(api), _PROGRAM.read_text(encoding="utf-8"))
    with Rest.of(api) as rest, rest.applied(space, secret, pod):
        calls = Traffic(rest, pod)
        warm = eventually(
            calls.now, _STARTED_WITHIN_SECONDS, wanted=lambda seen: seen.answered >= rate * _WARM_SECONDS
        )
        assert warm.answered >= rate * _WARM_SECONDS, f"calls are not answered: {warm}"
        assert warm.lost == {}, f"calls are lost with nothing done to the cluster: {warm.lost}"
        yield calls
