"""Who may talk to whom."""

from dataclasses import replace

from a1platform.services.builders.network import namespace_policies, service_policy
from a1platform.services.catalog import CATALOG
from a1platform.services.model import Rule
from a1platform.services.resolve import resolve
from a1platform.settings.services import ServicesSettings

SERVICES = resolve(ServicesSettings())
POLICIES = {one.entry.name: service_policy(one)["spec"] for one in SERVICES}
API = [{"protocol": "TCP", "port": 8080}]


def _pairs(direction: str, peers: str) -> list[tuple[str, str]]:
    """Every (owner of the policy, other service) whose API port one direction opens."""
    return [
        (name, peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"])
        for name, spec in POLICIES.items()
        for rule in spec[direction]
        if rule["ports"] == API
        for peer in rule.get(peers, [])
    ]


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


def test_only_a_service_that_declares_rights_gets_to_the_api_server() -> None:
    rule = Rule(("",), ("configmaps",), ("get",))
    entry = replace(CATALOG[-1], calls=(), rules=(rule,))
    [reader] = resolve(ServicesSettings(), catalog=(entry,))
    assert service_policy(reader)["spec"]["egress"] == [{"ports": [{"protocol": "TCP", "port": 6443}]}]
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


def test_the_namespace_denies_both_ways_and_lets_everyone_resolve_names() -> None:
    deny, dns = (one["spec"] for one in namespace_policies("a1-orchestrator"))
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert dns["policyTypes"] == ["Egress"]
    assert {port["port"] for rule in dns["egress"] for port in rule["ports"]} == {53}
