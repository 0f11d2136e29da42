"""The nodes of a cluster together: what must hold between them, told with everything else that is wrong."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, ip_address
from typing import Annotated, Any, get_args

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from a1platform.settings.node import NodeSettings, Role
from a1platform.settings.ranges import as_address
from a1platform.settings.shown import shown
from a1platform.settings.together import Problem, tell

Entry = dict[str, Any]
"""A node as it is given, whatever is wrong with it."""

_SSH = 22
_ROLES: tuple[object, ...] = get_args(Role)


def _nodes(value: object, check: ValidatorFunctionWrapHandler) -> tuple[NodeSettings, ...]:
    """Check each node, and in any case all of them together, so that every problem is told at once."""
    try:
        nodes: tuple[NodeSettings, ...] = check(value)
    except ValidationError as error:
        tell("nodes", error, _together(entries(value)))
        raise
    tell("nodes", None, _together(entries(nodes)))
    return nodes


def entries(value: object) -> list[Entry]:
    """Return nodes as they were given, each in its place; an empty one where what was given is no node.

    Args:
        value: What stands at `nodes`.
    """
    listed = value if isinstance(value, list | tuple) else []
    return [_entry(one) for one in listed]


def _entry(value: object) -> Entry:
    if isinstance(value, NodeSettings):
        return value.model_dump(mode="json", by_alias=True)
    return value if isinstance(value, dict) else {}


def within(nodes: Sequence[Entry], ranges: dict[str, IPv4Network]) -> Iterator[Problem]:
    """Return where a node has an address that the cluster gives to something else.

    Args:
        nodes: The nodes as they were given.
        ranges: The cluster's ranges by their keys.
    """
    for index, node in enumerate(nodes):
        key = "address" if node.get("address") else "host"
        address = as_address(node.get(key))
        for name, network in ranges.items():
            if address is not None and ip_address(address) in network:
                text = f"found {address!r}, which {name} {network} holds, expected one outside of it"
                yield Problem(("nodes", index, key), text, (tuple(name.split(".")),))


def _together(nodes: list[Entry]) -> list[Problem]:
    return [*_repeated(nodes), *_without_address(nodes), *_majority(nodes)]


def _repeated(nodes: list[Entry]) -> Iterator[Problem]:
    """Yield where a node has a name, an address or an SSH server that another has."""
    for index, node in enumerate(nodes):
        for first, other in enumerate(nodes[:index]):
            problem = _same_name(node, other) or _same_machine(node, other)
            if problem is not None:
                key, found, wanted = problem
                text = f"found {found}, which nodes[{first}] has too, expected {wanted}"
                yield Problem((index, key), text)
                break


def _same_name(node: Entry, other: Entry) -> tuple[str, str, str] | None:
    name = node.get("name")
    same = isinstance(name, str) and name == other.get("name")
    return ("name", shown(name), "another one") if same else None


def _same_machine(node: Entry, other: Entry) -> tuple[str, str, str] | None:
    host, port = _host(node), node.get("port", _SSH)
    if host is not None and host == _host(other):
        if port == other.get("port", _SSH):
            return "host", f"{shown(node['host'])} port {shown(port)}", "another one"
        # Behind one forward: two ports are two machines only if each has an address of its own.
        if as_address(host) and not (node.get("address") and other.get("address")):
            return "host", shown(node["host"]), "another one, or an address for each of the two"
    address = _address(node)
    if address is not None and address == _address(other):
        key = "address" if node.get("address") else "host"
        return key, shown(node[key]), "another one"
    return None


def _host(node: Entry) -> str | None:
    """Return what SSH connects to in one spelling: names know no case, and addresses have several."""
    host = node.get("host")
    return as_address(host) or host.lower().rstrip(".") if isinstance(host, str) else None


def _address(node: Entry) -> str | None:
    """Return what `own_address` will be."""
    return as_address(node.get("address") or node.get("host"))


def _without_address(nodes: list[Entry]) -> Iterator[Problem]:
    """Yield which of several nodes has no address that the others could reach it by."""
    for index, node in enumerate(nodes):
        host = _host(node)
        if len(nodes) > 1 and host and not node.get("address") and as_address(host) is None:
            text = f"found none, expected one, as host {shown(node['host'])} is a name"
            yield Problem((index, "address"), text)


def _majority(nodes: list[Entry]) -> Iterator[Problem]:
    roles = [node.get("role", "server") if node else None for node in nodes]
    marks = [node.get("isGone", False) for node in nodes]
    servers = roles.count("server")
    there = servers - list(zip(roles, marks, strict=True)).count(("server", True))
    # What a wrong role or mark was meant to be is not known, and so not how many servers there are.
    known = all(role in _ROLES for role in roles) and all(isinstance(mark, bool) for mark in marks)
    # One that is gone stays a member of etcd until it is taken out of the cluster: so with it or without it.
    if nodes and servers % 2 == 0 and there % 2 == 0 and known:
        text = f"found {there} nodes with role 'server', expected an odd number: etcd needs a majority"
        if there:
            text += ". The entry of one that is lost stays, with isGone: true, until another server is added"
        yield Problem((), text)


Nodes = Annotated[tuple[NodeSettings, ...], WrapValidator(_nodes)]
"""All nodes of a cluster, free of duplicates and with a possible etcd majority; empty means the sandbox."""
