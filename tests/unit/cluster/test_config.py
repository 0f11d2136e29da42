"""What K3s reads on a node."""

import yaml

from a1platform.cluster import config
from a1platform.settings.cluster import K3sSettings


def _server(settings: K3sSettings) -> dict[str, object]:
    parsed: dict[str, object] = yaml.safe_load(config.server_config(settings, "a1", ("192.0.2.10",)))
    return parsed


def test_etcd_and_encryption_are_on_from_the_first_start() -> None:
    server = _server(K3sSettings())
    assert server["cluster-init"] is True
    assert server["secrets-encryption"] is True


def test_the_same_settings_give_the_same_bytes() -> None:
    first, second = (config.server_config(K3sSettings(), "a1", names) for names in (("b", "a"), ("a", "b")))
    assert first == second


def test_the_api_server_answers_to_every_name_it_is_reached_by() -> None:
    settings = K3sSettings(tls_san=("k8s.example.org",))
    assert _server(settings)["tls-san"] == ["192.0.2.10", "k8s.example.org"]


def test_a_list_of_the_site_is_added_to_ours_and_a_value_replaces_ours() -> None:
    settings = K3sSettings(extra_config={"kubelet-arg": ["v=2"], "protect-kernel-defaults": False})
    server = _server(settings)
    arguments = server["kubelet-arg"]
    assert isinstance(arguments, list)
    assert "v=2" in arguments
    assert "max-pods=50" in arguments
    assert server["protect-kernel-defaults"] is False


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


def test_a_start_that_hangs_is_given_up() -> None:
    unit = config.unit(K3sSettings(start_timeout=120), "0" * 64)
    assert "TimeoutStartSec=120\n" in unit
    assert "Restart=on-failure\n" in unit


def test_the_unit_says_whose_it_is_so_that_the_preflight_knows_our_own_cluster() -> None:
    assert "a1platform" in config.unit(K3sSettings(), "0" * 64)
