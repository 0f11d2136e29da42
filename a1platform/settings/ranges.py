"""IP addresses and ranges as settings, in their canonical spelling."""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from a1platform.settings.shown import shown

_LONGEST_NAME = 253
_BROADCAST = "255.255.255.255"
_NOT_ROUTED = tuple(map(ipaddress.IPv4Network, ("127.0.0.0/8", "224.0.0.0/4")))
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def as_address(text: object) -> str | None:
    """Return an IP address in its canonical spelling, or None where the text is none."""
    try:
        address = ipaddress.ip_address(str(text))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _address(text: str) -> str:
    address = as_address(text)
    if address is None:
        raise ValueError(f"found {shown(text)}, expected an IPv4 address")
    parsed = ipaddress.ip_address(address)
    is_nobodys = parsed.is_unspecified or parsed.is_loopback or parsed.is_multicast or address == _BROADCAST
    if "%" in address or is_nobodys:
        raise ValueError(f"found {shown(text)}, expected an address that other machines reach the host by")
    if parsed.version != 4:  # noqa: PLR2004 - the family's name
        raise ValueError(
            f"found {shown(text)}, expected an IPv4 address of the machine, as the cluster's ranges are IPv4"
        )
    return address


def _host(text: str) -> str:
    # The address of an interface means nothing to others, and the plugin could not take it apart.
    address = as_address(text) if "%" not in text else None
    labels = text.removesuffix(".").split(".")
    fits = len(text) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, labels))
    # What looks like an address is never asked of DNS, and 0.0.0.0 is the machine that connects.
    is_name = fits and not all(map(str.isdigit, labels))
    is_address = address is not None and not ipaddress.ip_address(address).is_unspecified
    if not (is_name or is_address):
        raise ValueError(
            f"found {shown(text)}, expected a name or an address such as 'a1.example.org': user and port are "
            "keys of their own"
        )
    return text


def _range(text: str) -> str:
    network = _network(text)
    if network is None:
        raise ValueError(
            f"found {shown(text)}, expected an address range such as 192.0.2.0/24 or 2001:db8::/32"
        )
    return str(network)


def _ipv4_range(value: object) -> object:
    # Without a prefix it would be a single address, and so would a number.
    network = _network(value) if "/" in str(value) else None
    if not isinstance(network, ipaddress.IPv4Network):
        raise ValueError(f"found {shown(value)}, expected an IPv4 range such as 10.42.0.0/16")  # noqa: TRY004 - pydantic's
    if any(map(network.overlaps, _NOT_ROUTED)):
        raise ValueError(f"found {shown(value)}, expected a range that is neither loopback's nor multicast's")
    return network


def _network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        network = ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        return None
    try:
        return ipaddress.ip_network(str(value))
    except ValueError:
        raise ValueError(f"found {shown(value)} with host bits, expected {str(network)!r}") from None


Host = Annotated[str, AfterValidator(_host)]
"""A machine's DNS name or IP address."""
Address = Annotated[str, AfterValidator(_address)]
"""An IPv4 address that others reach a machine by."""
Range = Annotated[str, AfterValidator(_range)]
"""An IP range of either family."""
Ipv4Range = Annotated[ipaddress.IPv4Network, BeforeValidator(_ipv4_range)]
"""An IPv4 range; a text in the file."""
