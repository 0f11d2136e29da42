"""The bridge that sandbox nodes share, and a fixed address for each, so that a reboot keeps it."""

import contextlib
import ipaddress
import json
import subprocess
from collections.abc import Iterable

from sandbox.engine import Engine, EngineError

NETWORK = "a1-sandbox"
# Apart from K3s's own 10.42.0.0/16 and 10.43.0.0/16 and from what engines take by themselves.
_POOL = ipaddress.IPv4Network("10.213.0.0/16")


def ensure_network(engine: Engine) -> ipaddress.IPv4Network:
    """Return the subnet of the sandbox's bridge, made where it is missing.

    Raises:
        EngineError: The engine refuses, or every candidate overlaps a route of this machine.
    """
    with contextlib.suppress(EngineError):
        return ipaddress.IPv4Network(
            engine.run("network", "inspect", NETWORK, "--format", "{{(index .IPAM.Config 0).Subnet}}")
        )
    taken = list(_routes())
    for subnet in _POOL.subnets(new_prefix=24):
        if not any(subnet.overlaps(other) for other in taken):
            engine.run("network", "create", "--subnet", str(subnet), "--label", "a1.sandbox", NETWORK)
            return subnet
    raise EngineError(f"no subnet of {_POOL} is free on this machine: every one overlaps a route")


def bridge_address(engine: Engine) -> str:
    """Return this machine's own address on the sandbox's bridge, by which nodes and their pods reach it.

    Raises:
        EngineError: There is no bridge, and none can be made.
    """
    return str(next(ensure_network(engine).hosts()))


def free_address(subnet: ipaddress.IPv4Network, taken: Iterable[str]) -> str:
    """Return the lowest address of a subnet that no node has; the first is the bridge's own.

    Raises:
        EngineError: The subnet is full.
    """
    used = set(taken)
    for address in list(subnet.hosts())[1:]:
        if str(address) not in used:
            return str(address)
    raise EngineError(f"every address of {subnet} is taken")


def _routes() -> Iterable[ipaddress.IPv4Network]:
    answer = subprocess.run(["ip", "-json", "-4", "route"], capture_output=True, text=True, check=True).stdout
    for route in json.loads(answer or "[]"):
        with contextlib.suppress(ValueError):
            yield ipaddress.IPv4Network(route["dst"])
