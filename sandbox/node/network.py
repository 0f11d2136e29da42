"""The bridge that sandbox nodes share, and a fixed address for each, so that a reboot keeps it."""

import contextlib
import ipaddress
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from sandbox.engine import Engine, EngineError

NETWORK = "a1-sandbox"
# Apart from K3s's own 10.42.0.0/16 and 10.43.0.0/16 and from what engines take by themselves.
_POOL = ipaddress.IPv4Network("10.213.0.0/16")
_NETWORK_COLUMNS = (1, 7)


def ensure_network(engine: Engine) -> ipaddress.IPv4Network:
    """Return the subnet of the sandbox's bridge, made where it is missing.

    Raises:
        EngineError: The engine refuses, or every candidate overlaps a route of this machine.
    """
    with contextlib.suppress(EngineError):
        return ipaddress.IPv4Network(
            engine.run("network", "inspect", NETWORK, "--format", "{{(index .IPAM.Config 0).Subnet}}")
        )
    taken = list(routes())
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


def routes(table: Path = Path("/proc/net/route")) -> Iterator[ipaddress.IPv4Network]:
    """Yield the networks that this machine has IPv4 routes to, without the default route.

    Read from the kernel, since a bare machine has no `ip`.
    """
    if not table.exists():
        return
    for line in table.read_text(encoding="ascii").splitlines()[1:]:
        columns = line.split()
        destination, mask = (_address(columns[index]) for index in _NETWORK_COLUMNS)
        if int(mask):
            yield ipaddress.IPv4Network(f"{destination}/{mask}")


def _address(column: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(column, 16).to_bytes(4, sys.byteorder))
