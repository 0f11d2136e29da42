"""What must hold between nodes, however their addresses are spelt and whatever else is wrong with them."""

from typing import Any

import pytest

from a1platform.settings.load import parse
from tests.unit.settings.refused import Entry, refused

AGENT = {"name": "b", "role": "agent"}
AN_ADDRESS_EACH = "which nodes[0] has too, expected another one, or an address for each of the two"


@pytest.mark.parametrize(
    ("first", "second", "line"),
    [
        (
            {},
            {"host": "b.example", "address": "192.0.2.10"},
            "nodes[1].address: found '192.0.2.10', which nodes[0] has too, expected another one",
        ),
        (
            {"host": "a.example", "address": "192.0.2.10"},
            {},
            "nodes[1].host: found '192.0.2.10', which nodes[0] has too, expected another one",
        ),
        (
            {"host": "a.example", "address": "192.0.2.1"},
            {"host": "A.example.", "address": "192.0.2.2"},
            "nodes[1].host: found 'A.example.' port 22, which nodes[0] has too, expected another one",
        ),
        (
            {"host": "2001:db8::1"},
            {"host": "2001:DB8:0::1"},
            "nodes[1].host: found '2001:DB8:0::1' port 22, which nodes[0] has too, expected another one",
        ),
        (
            {},
            {"host": "::ffff:192.0.2.10"},
            "nodes[1].host: found '::ffff:192.0.2.10' port 22, which nodes[0] has too, expected another one",
        ),
        (
            {},
            {"port": 2222},
            f"nodes[1].host: found '192.0.2.10', {AN_ADDRESS_EACH}",
        ),
        (
            {},
            {"port": 2222, "address": "10.0.0.2"},
            f"nodes[1].host: found '192.0.2.10', {AN_ADDRESS_EACH}",
        ),
        (
            {"address": "10.0.0.1"},
            {"port": 2222, "address": "10.0.0.1"},
            "nodes[1].address: found '10.0.0.1', which nodes[0] has too, expected another one",
        ),
    ],
)
@pytest.mark.parametrize("more", [{}, {"user": "%"}])
def test_one_machine_is_one_node_however_it_is_spelt(
    node: Entry, first: dict[str, Any], second: dict[str, Any], line: str, more: dict[str, Any]
) -> None:
    lines = refused({"nodes": [node(**first), node(**{**AGENT, **second, **more})]})
    assert lines[-1] == line
    assert len(lines) == 1 + len(more)


def test_two_machines_behind_one_forward_have_an_address_each(node: Entry) -> None:
    nodes: Any = [node(address="10.0.0.1"), node(**AGENT, port=2222, address="10.0.0.2")]
    assert len(parse({"nodes": nodes}).nodes) == 2


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ([{"host": ["x"]}], ["nodes[0].host: found a list of 1, expected a text"]),
        ([{"host": {"x": 1}}], ["nodes[0].host: found a mapping, expected a text"]),
        (
            [{"name": ["x"]}, {"name": ["x"], "host": "192.0.2.11", "role": "agent"}],
            [f"nodes[{index}].name: found a list of 1, expected a text" for index in (0, 1)],
        ),
        (
            [{"address": ["x"]}, {**AGENT, "host": "192.0.2.11", "address": ["x"]}],
            [f"nodes[{index}].address: found a list of 1, expected a text" for index in (0, 1)],
        ),
        (
            [{"port": ["x"]}, {**AGENT, "host": "192.0.2.11", "port": ["x"]}],
            [f"nodes[{index}].port: found a list of 1, expected an integer" for index in (0, 1)],
        ),
        ([{"role": "Server"}], ["nodes[0].role: found 'Server', expected 'server' or 'agent'"]),
        ([{"role": ["server"]}], ["nodes[0].role: found a list of 1, expected 'server' or 'agent'"]),
        (
            [{}, {"name": "b", "host": "192.0.2.11"}, {"name": "c", "host": "192.0.2.12", "role": "Server"}],
            ["nodes[2].role: found 'Server', expected 'server' or 'agent'"],
        ),
    ],
)
def test_a_wrong_type_is_told_once_and_compared_with_nothing(
    node: Entry, changes: list[dict[str, Any]], lines: list[str]
) -> None:
    told = refused({"nodes": [node(**one) for one in changes]})
    assert [line.removesuffix(", in quotes where YAML would see something else") for line in told] == lines


def test_a_node_keeps_its_place_beside_what_is_no_node(node: Entry) -> None:
    told = refused({"nodes": ["a1", node(), node(host="192.0.2.11", role="agent")]})
    assert told == [
        "nodes[0]: found 'a1', expected a mapping of keys to values",
        "nodes[2].name: found 'a1', which nodes[1] has too, expected another one",
    ]


def test_nodes_of_a_cluster_with_ipv4_ranges_have_ipv4_addresses(node: Entry) -> None:
    (line,) = refused({"nodes": [node(address="2001:db8::1")]})
    assert line.startswith("nodes[0].address: found '2001:db8::1', expected an IPv4 address of the machine, ")
    parse({"nodes": [node(address="::ffff:192.0.2.1")]})
