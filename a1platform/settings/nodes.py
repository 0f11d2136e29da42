"""The nodes of a cluster together: what must hold between them, told with everything else that is wrong."""

from typing import Annotated, Any, NamedTuple

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from a1platform.settings.node import NodeSettings, as_address


class _Problem(NamedTuple):
    """Something wrong with the nodes together, at a place among them."""

    location: tuple[int | str, ...]
    text: str


def _nodes(value: object, check: ValidatorFunctionWrapHandler) -> tuple[NodeSettings, ...]:
    """Check each node, and in any case all of them together, so that every problem is told at once."""
    details: list[InitErrorDetails] = []
    nodes: tuple[NodeSettings, ...] = ()
    entries: list[dict[str, Any]] = []
    try:
        nodes = check(value)
        entries = [node.model_dump(mode="json", by_alias=True) for node in nodes]
    except ValidationError as error:
        details = [_detail(one["loc"], _error(one), one["input"]) for one in error.errors()]
        listed = value if isinstance(value, list | tuple) else []
        entries = [one for one in listed if isinstance(one, dict)] if len(listed) else []
    details += [_detail(one.location, _custom(one.text), None) for one in _together(entries)]
    if details:
        raise ValidationError.from_exception_data("nodes", details)
    return nodes


def _error(problem: ErrorDetails) -> PydanticCustomError:
    return PydanticCustomError(problem["type"], "{text}", {"text": problem["msg"]})


def _custom(text: str) -> PydanticCustomError:
    return PydanticCustomError("nodes", "{text}", {"text": text})


def _detail(location: tuple[int | str, ...], error: PydanticCustomError, found: object) -> InitErrorDetails:
    return InitErrorDetails(type=error, loc=location, input=found)


def _together(nodes: list[dict[str, Any]]) -> list[_Problem]:
    problems = [*_repeated(nodes), *_without_address(nodes)]
    servers = sum(node.get("role", "server") == "server" for node in nodes)
    if nodes and servers % 2 == 0:
        text = f"found {servers} nodes with role 'server', expected an odd number: etcd needs a majority"
        problems.append(_Problem((), text))
    return problems


def _repeated(nodes: list[dict[str, Any]]) -> list[_Problem]:
    """Return where a node has a name, an address or an SSH server that another has."""
    owners: dict[tuple[str, object], int] = {}
    problems: list[_Problem] = []
    for index, node in enumerate(nodes):
        values = {
            "name": node.get("name"),
            "address": node.get("address"),
            "host": (node["host"], str(node.get("port", 22))) if "host" in node else None,
        }
        for key, value in values.items():
            if value is None:
                continue
            first = owners.setdefault((key, value), index)
            if first != index:
                what = f"{node['host']!r} port {value[1]}" if isinstance(value, tuple) else repr(value)
                text = f"found {what}, which nodes[{first}] has too, expected another one"
                problems.append(_Problem((index, key), text))
    return problems


def _without_address(nodes: list[dict[str, Any]]) -> list[_Problem]:
    """Return which of several nodes has no address that the others could reach it by."""
    return [
        _Problem((index, "address"), f"found none, expected one, as host {node['host']!r} is a name")
        for index, node in enumerate(nodes)
        if len(nodes) > 1 and "host" in node and not node.get("address") and as_address(node["host"]) is None
    ]


Nodes = Annotated[tuple[NodeSettings, ...], WrapValidator(_nodes)]
"""All nodes of a cluster, free of duplicates and with a possible etcd majority; empty means the sandbox."""
