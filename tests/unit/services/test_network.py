"""Who may talk to whom."""

from dataclasses import replace

from a1platform import naming
from a1platform.delivery.manifest import Manifest
from a1platform.services.builders.network import service_policies
from a1platform.services.catalog import CATALOG
from a1platform.services.model import McpServiceArgs, Rule
from a1platform.services.resolve import resolve
from a1platform.services.shared import shared_objects
from a1platform.settings.services import ServicesSettings

SERVICES = resolve(ServicesSettings())
API = [{"protocol": "TCP", "port": 8080}]


def _both_ways(service: McpServiceArgs) -> Manifest:
    """Return what the policies of a service open, by direction."""
    specs = [one["spec"] for one in service_policies(service)]
    return {way: rules for spec in specs for way, rules in spec.items() if way in {"ingress", "egress"}}


POLICIES = {one.entry.name: _both_ways(one) for one in SERVICES}


def _pairs(direction: str, peers: str) -> list[tuple[str, str]]:
    """Every (owner of the policy, other service) whose API port one direction opens."""
    return [
        (name, peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"])
        for name, spec in POLICIES.items()
        for rule in spec[direction]
        if rule["ports"] == API
        for peer in rule.get(peers, [])
    ]


def test_no_policy_that_opens_something_is_about_both_directions_as_k3s_would_open_it_in_either() -> None:
    for service in SERVICES:
        name = service.entry.name
        pods = {"podSelector": {"matchLabels": naming.selector(name)}}
        opened = POLICIES[name]
        assert {one["metadata"]["name"]: one["spec"] for one in service_policies(service)} == {
            name: {**pods, "policyTypes": ["Ingress"], "ingress": opened["ingress"]},
            f"{name}-egress": {**pods, "policyTypes": ["Egress"], "egress": opened["egress"]},
        }


def test_each_declared_call_opens_exactly_one_pair_both_ways_and_nothing_else_does() -> None:
    declared = sorted((entry.name, callee) for entry in CATALOG for callee in entry.calls)
    assert sorted(_pairs("egress", "to")) == declared
    assert sorted((caller, callee) for callee, caller in _pairs("ingress", "from")) == declared


def test_only_the_gateway_is_open_to_everybody_and_only_on_its_api_port() -> None:
    everybody = {
        name: rule for name, spec in POLICIES.items() for rule in spec["ingress"] if "from" not in rule
    }
    assert everybody == {"mcp-gateway": {"ports": API}}


def test_nobody_reaches_the_internet() -> None:
    assert all(rule["to"] for spec in POLICIES.values() for rule in spec["egress"])
    assert not [
        peer
        for spec in POLICIES.values()
        for rule in spec["egress"]
        for peer in rule["to"]
        if "ipBlock" in peer
    ]


def test_a_site_opens_ways_out_of_one_service_and_of_no_other() -> None:
    places = [{"cidr": "192.0.2.7", "ports": [443, 8443]}, {"namespace": "tools", "ports": [8080]}]
    given = {"overrides": {"mcp-orchestrator-api": {"egress": places}}}
    for service in resolve(ServicesSettings.model_validate(given)):
        opened = _both_ways(service)
        more = [one for one in opened["egress"] if one not in POLICIES[service.entry.name]["egress"]]
        assert opened["ingress"] == POLICIES[service.entry.name]["ingress"]
        if service.entry.name != "mcp-orchestrator-api":
            assert more == []
            continue
        tools = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tools"}}}
        assert more == [
            {
                "to": [{"ipBlock": {"cidr": "192.0.2.7/32"}}],
                "ports": [{"protocol": "TCP", "port": 443}, {"protocol": "TCP", "port": 8443}],
            },
            {"to": [tools], "ports": API},
        ]


def test_only_a_service_that_declares_rights_gets_to_the_api_server() -> None:
    rule = Rule(("",), ("configmaps",), ("get",))
    entry = replace(CATALOG[-1], calls=(), rules=(rule,))
    [reader] = resolve(ServicesSettings(), catalog=(entry,))
    assert _both_ways(reader)["egress"] == [{"ports": [{"protocol": "TCP", "port": 6443}]}]
    assert 6443 not in {
        port["port"] for spec in POLICIES.values() for one in spec["egress"] for port in one["ports"]
    }


def test_prometheus_may_read_the_operations_port_of_every_service_and_no_other() -> None:
    for spec in POLICIES.values():
        from_monitoring = [
            rule["ports"]
            for rule in spec["ingress"]
            for peer in rule.get("from", [])
            if "namespaceSelector" in peer
        ]
        assert from_monitoring == [[{"protocol": "TCP", "port": 9090}]]


def test_what_closes_the_namespace_is_the_platforms_and_so_there_without_services() -> None:
    assert "NetworkPolicy" not in {one["kind"] for one in shared_objects(SERVICES)}
