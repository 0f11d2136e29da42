"""What K3s reads on a node."""

import re
from pathlib import Path
from typing import Any

import yaml

from a1platform.cluster import config
from a1platform.node.hardening.log_shipping import CLUSTER_AUDIT_LOG
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import NodeSettings


def _parsed(settings: K3sSettings, node: NodeSettings, join: str | None = None) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(config.server_config(settings, node, ("192.0.2.10",), join))
    return parsed


def test_etcd_and_encryption_are_on_from_the_first_start(server: NodeSettings) -> None:
    written = _parsed(K3sSettings(), server)
    assert written["cluster-init"] is True
    assert written["secrets-encryption"] is True
    assert "server" not in written


def test_a_second_server_joins_the_first_and_starts_no_cluster_of_its_own(server: NodeSettings) -> None:
    written = _parsed(K3sSettings(), server, "192.0.2.9")
    assert written["server"] == "https://192.0.2.9:6443"
    assert written["token-file"] == config.TOKEN_FILE
    assert "cluster-init" not in written


def test_a_server_alone_holds_no_election_that_it_could_lose(server: NodeSettings) -> None:
    controllers = ("kube-cloud-controller-manager-arg", "kube-controller-manager-arg", "kube-scheduler-arg")
    alone = yaml.safe_load(config.server_config(K3sSettings(), server, ("192.0.2.10",), alone=True))
    assert all("leader-elect=false" in alone[key] for key in controllers)
    assert "leader-elect=false" not in yaml.safe_dump(_parsed(K3sSettings(), server))
    assert "CATTLE_ELECTION_RENEW_DEADLINE=9m" in config.unit(K3sSettings(), "server", "0" * 64, alone=True)
    assert "CATTLE" not in config.unit(K3sSettings(), "server", "0" * 64)


def test_an_agent_gets_nothing_that_only_servers_know(server: NodeSettings) -> None:
    settings = K3sSettings(tls_san=("x",), extra_config={"kubelet-arg": ["v=2"]})
    written = yaml.safe_load(config.agent_config(settings, server, "2001:db8::9"))
    assert written["server"] == "https://[2001:db8::9]:6443"
    assert set(written) == {"node-name", "server", "token-file", "protect-kernel-defaults", "kubelet-arg"}
    assert "v=2" in written["kubelet-arg"]


def test_the_same_settings_give_the_same_bytes(server: NodeSettings) -> None:
    first, second = (config.server_config(K3sSettings(), server, names) for names in (("b", "a"), ("a", "b")))
    assert first == second


def test_the_api_server_answers_to_every_name_it_is_reached_by(server: NodeSettings) -> None:
    settings = K3sSettings(tls_san=("k8s.example.org",))
    assert _parsed(settings, server)["tls-san"] == ["192.0.2.10", "k8s.example.org"]


def test_a_list_of_the_site_is_added_to_ours_and_a_value_replaces_ours(server: NodeSettings) -> None:
    settings = K3sSettings(extra_config={"kubelet-arg": ["v=2"], "protect-kernel-defaults": False})
    written = _parsed(settings, server)
    assert "v=2" in written["kubelet-arg"]
    assert "max-pods=50" in written["kubelet-arg"]
    assert written["protect-kernel-defaults"] is False


def test_the_event_rate_limit_has_the_entry_without_which_the_api_server_stops() -> None:
    plugins = yaml.safe_load(config.admission_config())["plugins"]
    limit = next(plugin for plugin in plugins if plugin["name"] == "EventRateLimit")
    assert limit["configuration"]["limits"]


def test_pods_are_restricted_everywhere_but_in_the_system_namespace() -> None:
    plugins = yaml.safe_load(config.admission_config())["plugins"]
    pods = next(plugin for plugin in plugins if plugin["name"] == "PodSecurity")["configuration"]
    assert pods["defaults"]["enforce"] == "restricted"
    assert pods["exemptions"]["namespaces"] == ["kube-system"]


def test_the_audit_log_never_holds_the_content_of_a_secret() -> None:
    rules = yaml.safe_load(config.audit_policy())["rules"]
    secrets = [
        rule
        for rule in rules
        if any("secrets" in group.get("resources", []) for group in rule.get("resources", []))
    ]
    assert [rule["level"] for rule in secrets] == ["Metadata"]
    assert rules.index(secrets[0]) < next(
        i for i, rule in enumerate(rules) if rule["level"] == "RequestResponse"
    )


def test_the_audit_log_leaves_out_the_noise_of_events_and_leases_and_tells_who_deletes_one() -> None:
    rules = yaml.safe_load(config.audit_policy())["rules"]
    for resource in ("events", "leases"):
        quiet = [one for one in rules if one["level"] == "None" and resource in str(one.get("resources"))]
        verbs = {verb for one in quiet for verb in one["verbs"]}
        assert {"get", "list", "watch", "update", "patch"} <= verbs
        assert not {"delete", "deletecollection"} & verbs


def test_no_pod_of_the_system_namespaces_gets_a_token_it_does_not_ask_for() -> None:
    accounts = list(yaml.safe_load_all(config.default_accounts()))
    assert {account["metadata"]["name"] for account in accounts} == {"default"}
    assert not any(account["automountServiceAccountToken"] for account in accounts)


def test_a_start_that_hangs_is_given_up() -> None:
    unit = config.unit(K3sSettings(start_timeout=120), "server", "0" * 64)
    assert "TimeoutStartSec=120\n" in unit
    assert "Restart=on-failure\n" in unit


def test_the_unit_says_whose_it_is_so_that_the_preflight_knows_our_own_cluster() -> None:
    assert "a1platform" in config.unit(K3sSettings(), "server", "0" * 64)


def test_the_documented_way_to_ship_the_audit_log_keeps_the_file_and_adds_the_endpoint(
    server: NodeSettings,
) -> None:
    text = (Path(__file__).parents[3] / "docs" / "hardening.md").read_text(encoding="utf-8")
    (example,) = [
        block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "audit-webhook" in block
    ]
    settings = K3sSettings.model_validate(yaml.safe_load(example)["config"]["a1platform:k3s"])
    arguments = _parsed(settings, server)["kube-apiserver-arg"]
    assert f"audit-log-path={CLUSTER_AUDIT_LOG}" in arguments
    assert f"audit-policy-file={config.AUDIT_POLICY_FILE}" in arguments
    (file,) = settings.extra_files
    assert f"audit-webhook-config-file={file.path}" in arguments
    kubeconfig = yaml.safe_load(file.content)
    assert kubeconfig["contexts"][0]["name"] == kubeconfig["current-context"]
    assert file.mode == "0600"


def test_the_audit_log_is_rotated_and_has_no_bodies_of_secrets(server: NodeSettings) -> None:
    arguments = _parsed(K3sSettings(), server)["kube-apiserver-arg"]
    assert {"audit-log-maxage=30", "audit-log-maxbackup=10", "audit-log-maxsize=100"} <= set(arguments)
    rules = yaml.safe_load(config.audit_policy())["rules"]
    about = [rule["level"] for rule in rules if "secrets" in str(rule.get("resources"))]
    assert about == ["Metadata"]
