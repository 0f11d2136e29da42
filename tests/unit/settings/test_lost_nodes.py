"""Machines that are lost for good while others go on: what such a cluster can do, and what is refused."""

from typing import Any

import pytest

from a1platform.refusal import problems
from a1platform.settings.load import SettingsError, parse
from tests.unit.settings.refused import Entry, refused


def _nodes(node: Entry, *roles: str) -> dict[str, Any]:
    """Return nodes by their roles, those with a cross behind it gone."""
    return {
        "nodes": [
            node(
                name=f"a{number}",
                host=f"192.0.2.{number}",
                role=role.rstrip("+"),
                isGone=role.endswith("+") or None,
            )
            for number, role in enumerate(roles, 1)
        ]
    }


@pytest.mark.parametrize(
    "roles",
    [
        ("server", "agent+"),
        ("server", "server", "server", "agent+", "agent+"),
        # The two that are left are a majority of the three that etcd knows.
        ("server", "server+", "server"),
        # Another one takes its place before or while its entry is taken out.
        ("server", "server+", "server", "server"),
        ("server", "server", "server+", "server+", "server"),
    ],
)
def test_the_others_go_on_while_etcd_has_its_majority(node: Entry, roles: tuple[str, ...]) -> None:
    nodes = parse(_nodes(node, *roles), problems).nodes
    assert [one.is_gone for one in nodes] == [role.endswith("+") for role in roles]


def test_a_lost_server_keeps_its_entry_until_another_takes_its_place(node: Entry) -> None:
    (told,) = refused(_nodes(node, "server", "server"))
    assert told == (
        "nodes: found 2 nodes with role 'server', expected an odd number: etcd needs a majority. The entry "
        "of one that is lost stays, with isGone: true, until another server is added"
    )


@pytest.mark.parametrize(
    ("roles", "line"),
    [
        (("server+",), "nodes: found isGone on every node, expected nodeIsGone: true and `make down`, which"),
        (
            ("server+", "agent+"),
            "nodes: found isGone on every node, expected nodeIsGone: true and `make down`",
        ),
        (
            ("agent", "server+", "server", "server"),
            "nodes[1].isGone: found true on the first server, which the kubeconfig and every join go through",
        ),
        (
            ("server", "server+", "server+"),
            "nodes: found 1 of 3 servers left, expected more than half: etcd has lost its majority and",
        ),
    ],
)
def test_what_cannot_go_on_is_refused_with_the_way_out(
    node: Entry, roles: tuple[str, ...], line: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(_nodes(node, *roles), problems)
    (told,) = [text.strip().removeprefix("a1platform:") for text in str(caught.value).splitlines()[1:]]
    assert told.startswith(line)
    assert "`make down`" in told


def test_machines_that_are_all_lost_are_forgotten_together(node: Entry) -> None:
    parse({**_nodes(node, "server+", "agent+"), "nodeIsGone": True}, problems)


def test_a_wrong_mark_is_told_alone(node: Entry) -> None:
    given = _nodes(node, "server", "server", "server", "server")
    given["nodes"][3]["isGone"] = "yes"
    (told,) = refused(given)
    assert told.startswith("nodes[3].isGone: found 'yes', expected true or false")
