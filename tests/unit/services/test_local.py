"""What runs on a developer's machine beside the service that is worked on."""

import pytest

from a1platform.services.local import ServicePort, plan, servers_inside


@pytest.mark.parametrize(
    ("name", "here", "there"),
    [
        ("mcp-gateway", {"mcp-gateway"}, {"mcp-policy-proxy", "mcp-config", "mcp-tracehub"}),
        (
            "mcp-policy-proxy",
            {"mcp-gateway", "mcp-policy-proxy", "mcp-orchestrator-api"},
            {"mcp-config", "mcp-tracehub"},
        ),
        (
            "mcp-config",
            {"mcp-gateway", "mcp-policy-proxy", "mcp-orchestrator-api", "mcp-config"},
            {"mcp-tracehub"},
        ),
    ],
)
def test_whoever_calls_the_service_is_here_too_and_what_they_call_is_forwarded(
    name: str, here: set[str], there: set[str]
) -> None:
    found = plan(name)
    assert {entry.name for entry in found.here} == here
    assert {entry.name for entry in found.there} == there


def test_a_service_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="found 'mcp-door', expected one of mcp-gateway, "):
        plan("mcp-door")


def test_servers_of_the_cluster_are_told_from_servers_elsewhere() -> None:
    document = """
    servers:
      - {name: a, url: "http://tools-pods:8080/mcp"}
      - {name: b, url: "http://tools.other/mcp"}
      - {name: c, url: "http://tools.other.svc.cluster.local:81/mcp"}
      - {name: d, url: "https://tools.example.com/mcp"}
      - {name: e, url: "http://tools.example.com/mcp"}
    """
    assert servers_inside(document, "here") == {
        "tools-pods:8080": ServicePort("here", "tools-pods", 8080),
        "tools.other:80": ServicePort("other", "tools", 80),
        "tools.other.svc.cluster.local:81": ServicePort("other", "tools", 81),
    }
    assert servers_inside("", "here") == {}
