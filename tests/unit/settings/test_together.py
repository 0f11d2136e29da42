"""What is wrong between values is told together with what is wrong with others."""

from typing import Any

import pytest

from a1platform.settings.load import parse
from tests.unit.settings.refused import Entry, refused

OIDC = {
    "issuer": "https://id.example.com",
    "clientId": "x",
    "clientSecret": "x",
    "url": "https://cd.example.com",
    "admins": ["x"],
}


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        (
            {"k3s": {"clusterCidr": "10.43.0.0/17", "maxPods": 5}},
            ["k3s.maxPods", "k3s.serviceCidr"],
        ),
        (
            {"hardening": {"sysctl": {"enabled": False, "skip": {"kernel.sysrq": ""}}}},
            ["hardening.sysctl.skip.kernel.sysrq", "hardening.sysctl"],
        ),
        (
            {"hardening": {"firewall": {"enabled": False, "sshPort": 0, "colour": 1}}},
            ["hardening.firewall.sshPort", "hardening.firewall.colour", "hardening.firewall"],
        ),
        (
            {"platform": {"argoCd": {"adminPassword": "x", "oidc": OIDC, "timeout": 1}}},
            ["platform.argoCd.timeout", "platform.argoCd.adminPassword", "platform.argoCd"],
        ),
        (
            {"platform": {"externalSecrets": {"provider": {}, "timeout": 1}}},
            ["platform.externalSecrets.timeout", "platform.externalSecrets.provider"],
        ),
        (
            {"platform": {"externalSecrets": {"provider": {"a": 1}, "secrets": {"x": 1}}}},
            ["platform.externalSecrets.secrets.x", "platform.externalSecrets"],
        ),
        (
            {"platform": {"externalSecrets": {"providerSecrets": {"vault": {"token": "x"}}, "timeout": 1}}},
            ["platform.externalSecrets.timeout", "platform.externalSecrets.providerSecrets"],
        ),
        (
            {
                "platform": {
                    "externalSecrets": {
                        "provider": {"vault": {}},
                        "providerSecrets": {"external-secrets-webhook": {"token": "x"}, "Vault": {}},
                    }
                }
            },
            [
                "platform.externalSecrets.providerSecrets.Vault.[key]",
                "platform.externalSecrets.providerSecrets",
            ],
        ),
        (
            {"services": {"gitops": {"credentials": {"username": 1}}}},
            ["services.gitops.credentials.username", "services.gitops.credentials"],
        ),
        (
            {"services": {"delivery": "argocd", "gitops": {"revision": ""}, "profile": "huge"}},
            ["services.profile", "services.gitops.revision", "services.gitops"],
        ),
        (
            {
                "services": {
                    "gitops": {"repoUrl": "git://x/y", "revision": "", "credentials": {"password": "x"}}
                }
            },
            ["services.gitops.revision", "services.gitops.credentials"],
        ),
        (
            {"k3s": {"extraFiles": [{"path": "x", "content": "x\n"}], "extraConfig": {"token": "x"}}},
            ["k3s.extraFiles[0].path", "k3s.extraConfig.token"],
        ),
    ],
)
def test_no_error_hides_another(values: dict[str, Any], keys: list[str]) -> None:
    assert sorted(line.partition(": ")[0] for line in refused(values)) == sorted(keys)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        # The default of the one would overlap, or explain nothing.
        ({"k3s": {"clusterCidr": "10.43.0.0/17", "serviceCidr": "x"}}, "k3s.serviceCidr"),
        ({"hardening": {"sshd": {"enabled": "off"}}}, "hardening.sshd.enabled"),
        ({"hardening": {"sshd": {"enabled": False, "reason": 1}}}, "hardening.sshd.reason"),
        ({"services": {"delivery": "argocd", "gitops": {"repoUrl": "x"}}}, "services.gitops.repoUrl"),
    ],
)
def test_nothing_is_compared_with_a_value_that_is_wrong_itself(values: dict[str, Any], key: str) -> None:
    assert [line.partition(": ")[0] for line in refused(values)] == [key]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"host": "10.42.0.7"},
            "nodes[0].host: found '10.42.0.7', which k3s.clusterCidr 10.42.0.0/16 holds, ",
        ),
        (
            {"host": "a.example", "address": "10.43.1.1"},
            "nodes[0].address: found '10.43.1.1', which k3s.serviceCidr 10.43.0.0/16 holds, expected one out",
        ),
    ],
)
@pytest.mark.parametrize("hidden_by", [{}, {"hostKey": "x"}, {"user": 1}])
def test_an_address_of_a_node_is_none_of_the_clusters(
    node: Entry, changes: dict[str, Any], line: str, hidden_by: dict[str, Any]
) -> None:
    lines = refused({"nodes": [node(**changes, **hidden_by)], "hardening": {"kernel": 1}})
    assert len(lines) == 2 + len(hidden_by)
    assert lines[-1].startswith(line)


_LEFT = "without which K3s does not start, expected k3s.extraConfig.protect-kernel-defaults: false beside it"


@pytest.mark.parametrize(
    ("hardening", "key"),
    [
        ({"sysctl": {"enabled": False, "reason": "Ansible"}}, "hardening.sysctl.enabled"),
        ({"sysctl": {"skip": {"kernel.panic": "a console"}}}, "hardening.sysctl.skip.kernel.panic"),
        ({"kernel": "shared"}, "hardening.kernel"),
    ],
)
def test_a_parameter_that_the_kubelet_checks_is_set_by_it_where_it_is_left_alone(
    hardening: dict[str, Any], key: str
) -> None:
    (line,) = refused({"hardening": hardening})
    assert line.startswith(f"{key}: found ")
    assert _LEFT in line
    parse({"hardening": hardening, "k3s": {"extraConfig": {"protect-kernel-defaults": False}}})


def test_a_machine_reached_by_an_address_of_another_network_is_taken(node: Entry) -> None:
    parse({"nodes": [node(host="10.42.0.7", address="192.0.2.1")]})
    parse({"nodes": [node(host="2001:db8::1")]})
