"""Who may talk to whom in the namespaces of the parts."""

import re
from pathlib import Path

import pytest

from a1platform.delivery.manifest import Manifest
from a1platform.platform.namespaces import (
    ARGO_CD,
    EXTERNAL_SECRETS,
    IMAGE_SCANNING,
    KEDA,
    PARTS,
    PROMETHEUS,
    SECRETS,
)
from a1platform.platform.network import REACHES, closed_policies, reach_policies
from a1platform.settings.platform import PlatformSettings

NAMESPACES = [name for names in PARTS.values() for name in names]
DECLARED = reach_policies(NAMESPACES, PlatformSettings())
DOCUMENT = Path(__file__).parents[3] / "docs" / "platform.md"
EVERY = pytest.mark.parametrize("namespace", NAMESPACES)


def _rules(policies: list[Manifest], way: str) -> list[Manifest]:
    return [rule for one in policies for rule in one["spec"].get(way, [])]


def _of(namespace: str) -> list[Manifest]:
    return [one for one in DECLARED if one["metadata"]["namespace"] == namespace]


POLICIES = {
    name: {way: _rules(_of(name), way) for way in ("ingress", "egress")}
    for name in {one["metadata"]["namespace"] for one in DECLARED}
}


def test_every_namespace_of_a_part_says_what_it_is_reached_by_and_what_it_reaches() -> None:
    assert set(REACHES) == set(NAMESPACES) == set(POLICIES)


def test_the_documentation_tells_of_every_namespace_what_is_open() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").partition("\n## Network\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    told = {name: cells for names, *cells in rows for name in re.findall(r"`([\w-]+)`", names)}
    assert {
        name: (
            set(re.findall(r"\d+", webhooks)),
            set(re.findall(r"\d+", scraped)),
            "out to everything" in beside,
        )
        for name, (webhooks, scraped, beside) in told.items()
    } == {
        name: (set(map(str, reach.webhooks)), set(map(str, reach.scraped)), reach.everywhere)
        for name, reach in REACHES.items()
    }


@EVERY
def test_a_namespace_denies_both_ways_for_every_pod_each_by_a_policy_that_is_about_nothing_else(
    namespace: str,
) -> None:
    specs = [one["spec"] for one in _of(namespace)]
    assert [spec["podSelector"] for spec in specs] == [{}, {}]
    assert [spec["policyTypes"] for spec in specs] == [["Ingress"], ["Egress"]]
    assert [spec.keys() & {"ingress", "egress"} for spec in specs] == [{"ingress"}, {"egress"}]


@EVERY
def test_only_what_the_api_server_calls_is_open_to_everybody(namespace: str) -> None:
    everybody = [rule for rule in POLICIES[namespace]["ingress"] if "from" not in rule]
    ports = {port["port"] for rule in everybody for port in rule["ports"]}
    assert ports == set(REACHES[namespace].webhooks)


@EVERY
def test_metrics_are_open_to_prometheus_alone(namespace: str) -> None:
    for port in REACHES[namespace].scraped:
        peers = [
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            for rule in POLICIES[namespace]["ingress"]
            if {"protocol": "TCP", "port": port} in rule.get("ports", [])
            for peer in rule["from"]
        ]
        assert peers == [PROMETHEUS]


def test_a_namespace_without_pods_has_no_opening_at_all() -> None:
    assert POLICIES[SECRETS]["ingress"] == POLICIES[SECRETS]["egress"] == []


def test_a_namespace_of_the_services_denies_both_ways_and_lets_every_pod_resolve_names() -> None:
    into, out = (one["spec"] for one in closed_policies("a1-orchestrator"))
    assert into == {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": []}
    assert (out["podSelector"], out["policyTypes"]) == ({}, ["Egress"])
    [rule] = out["egress"]
    assert {port["port"] for port in rule["ports"]} == {53}
    assert rule["to"][0]["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}


def test_only_prometheus_and_the_scanner_call_everything() -> None:
    assert {name for name, spec in POLICIES.items() if {} in spec["egress"]} == {PROMETHEUS, IMAGE_SCANNING}


def _egress(settings: PlatformSettings) -> list[Manifest]:
    return _rules(reach_policies([EXTERNAL_SECRETS], settings), "egress")


def test_a_store_of_the_sites_own_is_reached_wherever_it_is() -> None:
    vault = {"externalSecrets": {"provider": {"vault": {"server": "https://vault.example.com:8200"}}}}
    assert _egress(PlatformSettings.model_validate(vault)) == [{}]
    assert {} not in _egress(PlatformSettings())


def _oidc(issuer: str) -> PlatformSettings:
    login = {"issuer": issuer, "clientId": "a", "clientSecret": "b", "url": "https://cd.example.com"}
    return PlatformSettings.model_validate({"argoCd": {"oidc": {**login, "admins": ["ops"]}}})


def _out(settings: PlatformSettings, repository: str | None = None) -> list[int]:
    egress = _rules(reach_policies([ARGO_CD], settings, repository), "egress")
    return [port["port"] for rule in egress if "to" not in rule for port in rule["ports"]]


_USUAL = [6443, 22, 80, 443, 9418]


@pytest.mark.parametrize(
    ("issuer", "repository", "more"),
    [
        ("https://id.example.com:8443/realms/a", "ssh://git@git.example.com:2222/a.git", [2222, 8443]),
        ("https://id.example.com:8443/realms/a", "https://git.example.com:8443/a.git", [8443]),
        ("https://id.example.com/realms/a", "git@git.example.com:a/b.git", []),
        ("https://id.example.com:443", "https://git.example.com/a.git", []),
        ("https://id.example.com", None, []),
        ("https://id.example.com:port", "https://git.example.com:70000/a.git", []),
    ],
)
def test_argo_cd_reaches_its_repository_and_its_provider_at_whatever_port_the_settings_name(
    issuer: str, repository: str | None, more: list[int]
) -> None:
    assert _out(_oidc(issuer), repository) == [*_USUAL, *more]


def test_nobody_reaches_a_page_for_people_unless_the_settings_name_who_forwards_them() -> None:
    def opened(settings: PlatformSettings) -> dict[tuple[str, str], list[int]]:
        return {
            (policy["metadata"]["namespace"], peer): [port["port"] for port in rule["ports"]]
            for policy in reach_policies(NAMESPACES, settings)
            for rule in policy["spec"].get("ingress", [])
            for one in rule.get("from", [])
            for peer in one.get("namespaceSelector", {}).get("matchLabels", {}).values()
        }

    usual = opened(PlatformSettings())
    named = opened(PlatformSettings.model_validate({"ingressNamespace": "ingress-nginx"}))
    assert {one: ports for one, ports in named.items() if one not in usual} == {
        (ARGO_CD, "ingress-nginx"): [8080],
        (PROMETHEUS, "ingress-nginx"): [3000],
    }
    assert usual.items() <= named.items()
    assert usual[PROMETHEUS, KEDA] == [9090]
