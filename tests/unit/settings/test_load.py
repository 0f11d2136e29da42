"""What a stack's configuration may say, and how everything that is wrong with it is told at once."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from a1platform.cli.stack_file import StackFile, StackFileError
from a1platform.naming import PROJECT
from a1platform.settings.load import SettingsError, holds_secret, load, parse
from tests.unit.settings.refused import Entry, refused

ROOT = Path(__file__).parents[3]


def test_nothing_configured_is_a_whole_platform_on_the_sandbox() -> None:
    settings = parse({})
    assert settings.nodes == ()
    assert all(
        settings.platform.part(name).enabled
        for name in ("gatekeeper", "external-secrets", "keda", "argo-cd", "monitoring")
    )


def test_keys_are_camel_case_as_in_the_rest_of_pulumi(node: Entry) -> None:
    settings = parse({"nodes": [node()], "k3s": {"maxPods": 60}, "platform": {"argoCd": {"enabled": False}}})
    assert settings.k3s.max_pods == 60
    assert not settings.platform.argo_cd.enabled


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"platfrom": {}}, "platfrom: found an unknown key, expected platform, or another of access, "),
        ({"k3s": {"maxPod": 3}}, "k3s.maxPod: found an unknown key, expected maxPods, or another of "),
        ({"k3s": {"maxPods": "many"}}, "k3s.maxPods: found 'many', expected an integer"),
        ({"k3s": {"disable": ["treafik"]}}, "k3s.disable[0]: found 'treafik', expected 'local-storage', "),
        ({"k3s": {"disable": ["coredns"]}}, "k3s.disable[0]: found 'coredns', expected 'local-storage', "),
        ({"k3s": {"maxPods": 5}}, "k3s.maxPods: found 5, expected at least 10"),
        (
            {"platform": {"keda": {"enabled": "perhaps"}}},
            "platform.keda.enabled: found 'perhaps', expected true or false",
        ),
        ({"platform": {"keda": []}}, "platform.keda: found a list of 0, expected "),
        (
            {"platform": {"keda": {"replicas": 0}}},
            "platform.keda.replicas: found 0, expected at least 1",
        ),
        (
            {"platform": {"monitoring": {"prometheusReplicas": 6}}},
            "platform.monitoring.prometheusReplicas: found 6, expected at most 5",
        ),
        (
            {"platform": {"argoCd": {"replicas": 2}}},
            "platform.argoCd.replicas: found an unknown key, expected ",
        ),
        ({"platform": {"profile": "huge"}}, "platform.profile: found 'huge', expected 'small' or 'standard'"),
        ({"platform": {"sizes": {"loki": {}}}}, "platform.sizes.loki.[key]: found 'loki', expected 'gatek"),
        ({"nodes": {"name": "a1"}}, "nodes: found a mapping, expected a list"),
        ({"nodes": ["a1"]}, "nodes[0]: found 'a1', expected a mapping"),
        (
            {"services": {"minReplicas": 3, "maxReplicas": 2}},
            "services.maxReplicas: found 2, expected at least minReplicas, which is 3",
        ),
        (
            {"services": {"overrides": {"mcp-gateway": {"minReplicas": 3, "maxReplicas": 2}}}},
            "services.overrides.mcp-gateway.maxReplicas: found 2, expected at least minReplicas, which is 3",
        ),
        (
            {"services": {"overrides": {"mcp-gateway": {"cpuMili": 3}}}},
            "services.overrides.mcp-gateway.cpuMili: found an unknown key, expected cpuMilli, or another of ",
        ),
        (
            {"services": {"image": "a1platform/mcp-services:latest"}},
            "services.image: found 'a1platform/mcp-services:latest' tagged latest, expected a version or a d",
        ),
        ({"services": {"delivery": "argocd"}}, "services.gitops: found no repoUrl, expected the repository"),
        ({"bundle": "/nowhere"}, "bundle: found no bundle.json in '/nowhere', expected a bundle"),
    ],
)
def test_a_wrong_value_is_told_with_its_path_what_was_found_and_what_is_expected(
    values: dict[str, Any], line: str
) -> None:
    (told,) = refused(values)
    assert told.startswith(line)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ([{"hostKey": None}], "nodes[0].hostKey: found nothing, expected a value"),
        ([{"privateKeyFile": "/nowhere/id"}], "nodes[0].privateKeyFile: found '/nowhere/id' (No such file"),
        ([{"role": "agent"}], "nodes: found 0 nodes with role 'server', expected an odd number"),
        (
            [{}, {"name": "b", "host": "192.0.2.11"}],
            "nodes: found 2 nodes with role 'server', expected an odd",
        ),
        (
            [{}, {"host": "192.0.2.11", "role": "agent"}],
            "nodes[1].name: found 'a1', which nodes[0] has too, expected another one",
        ),
        (
            [{}, {"name": "b", "role": "agent"}],
            "nodes[1].host: found '192.0.2.10' port 22, which nodes[0] has too, expected another one",
        ),
    ],
)
def test_nodes_that_make_no_cluster_are_told_with_their_place(
    node: Entry, changes: list[dict[str, Any]], line: str
) -> None:
    (told,) = refused({"nodes": [node(**one) for one in changes]})
    assert told.startswith(line)


def test_everything_that_is_wrong_is_told_at_once(node: Entry) -> None:
    told = refused(
        {
            "nodes": [
                node(hostKey=None, privateKeyFile="/nowhere/id"),
                node(port="x", colour="red"),
            ],
            "k3s": {"maxPods": "many"},
            "platform": {"monitoring": {"retention": "forever"}},
            "unknown": 1,
        }
    )
    assert [line.partition(": ")[0] for line in told] == [
        "nodes[0].privateKeyFile",
        "nodes[0].hostKey",
        "nodes[1].port",
        "nodes[1].colour",
        "nodes[1].name",
        "nodes",
        "k3s.maxPods",
        "platform.monitoring.retention",
        "unknown",
    ]
    assert all("found" in line and "expected" in line for line in told)


def test_a_secret_of_the_wrong_type_is_not_shown() -> None:
    (told,) = refused({"platform": {"externalSecrets": {"secrets": {"mcp-internal": {"key": 8315}}}}})
    assert told.startswith("platform.externalSecrets.secrets.mcp-internal.key: found a secret, which is not")
    assert "8315" not in told


def test_a_secret_is_not_shown_when_the_settings_are_printed() -> None:
    settings = parse({"platform": {"externalSecrets": {"secrets": {"mcp-internal": {"key": "of-mine"}}}}})
    assert "of-mine" not in repr(settings)


def test_a_store_of_the_sites_own_takes_no_secrets_for_the_local_one() -> None:
    (told,) = refused(
        {"platform": {"externalSecrets": {"provider": {"vault": {}}, "secrets": {"a": {"b": "c"}}}}}
    )
    assert "found both provider and secrets" in told


def test_a_part_that_is_off_needs_nothing_else() -> None:
    assert not parse({"platform": {"externalSecrets": {"enabled": False}}}).platform.external_secrets.enabled


def test_the_configuration_is_read_as_pulumi_hands_it_over(node: Entry) -> None:
    given = {"nodes": json.dumps([node()]), "nodeIsGone": "true", "k3s": '{"maxPods": 60}'}
    pulumi.runtime.set_all_config({f"{PROJECT}:{key}": value for key, value in given.items()})
    try:
        settings = load()
    finally:
        pulumi.runtime.set_all_config({})
    assert (settings.nodes[0].name, settings.node_is_gone, settings.k3s.max_pods) == ("a1", True, 60)


def test_a_key_with_anything_encrypted_in_it_is_told_from_others() -> None:
    # Pulumi names the whole key of what was set by `--secret --path`.
    keys = [f"{PROJECT}:platform"]
    pulumi.runtime.set_all_config({keys[0]: "{}", f"{PROJECT}:k3s": "{}"}, keys)
    try:
        assert [key for key in ("platform", "k3s", "access") if holds_secret(key)] == ["platform"]
    finally:
        pulumi.runtime.set_all_config({}, [])


def test_a_preview_needs_nobodys_key_and_checks_everything_else(
    node: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = json.dumps([node(privateKeyFile="/nowhere/id")])
    pulumi.runtime.set_all_config({f"{PROJECT}:nodes": nodes, f"{PROJECT}:k3s": '{"maxPods": "many"}'})
    try:
        with pytest.raises(SettingsError, match=r"nodes\[0\].privateKeyFile: found '/nowhere/id'"):
            load()
        monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
        with pytest.raises(SettingsError, match=r"k3s\.maxPods: found 'many'") as refused:
            load()
        assert "privateKeyFile" not in str(refused.value)
        pulumi.runtime.set_all_config({f"{PROJECT}:nodes": nodes})
        assert load().nodes[0].private_key_file == Path("/nowhere/id")
    finally:
        pulumi.runtime.set_all_config({})


def test_a_key_that_nobody_knows_is_seen_in_pulumis_configuration_too() -> None:
    pulumi.runtime.set_all_config({f"{PROJECT}:nods": "[]", "kubernetes:context": "other"})
    try:
        with pytest.raises(SettingsError, match="a1platform:nods: found an unknown key, expected nodes, or"):
            load()
    finally:
        pulumi.runtime.set_all_config({})


def test_a_key_without_a_value_says_nothing_to_the_program_either() -> None:
    # What Pulumi hands over for `a1platform:preflight:`.
    pulumi.runtime.set_all_config({f"{PROJECT}:preflight": "", f"{PROJECT}:nodes": ""})
    try:
        assert load() == parse({})
        pulumi.runtime.set_all_config({f"{PROJECT}:nods": ""})
        with pytest.raises(SettingsError, match="a1platform:nods: found an unknown key"):
            load()
    finally:
        pulumi.runtime.set_all_config({})


def test_the_command_line_and_the_program_read_the_same_keys(node: Entry, tmp_path: Path) -> None:
    assert yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["name"] == PROJECT
    path = tmp_path / "Pulumi.a1.yaml"
    path.write_text(yaml.safe_dump({"config": {f"{PROJECT}:nodes": [node()]}}))
    assert [one.name for one in StackFile(path).nodes()] == ["a1"]


def test_a_value_that_pulumi_has_set_as_a_text_means_the_same_to_the_command_line(
    node: Entry, tmp_path: Path
) -> None:
    # What `pulumi config set KEY VALUE` writes.
    given = {"nodeIsGone": "true", "k3s": '{"maxPods": 60}', "nodes": json.dumps([node()])}
    path = tmp_path / "Pulumi.a1.yaml"
    path.write_text(yaml.safe_dump({"config": {f"{PROJECT}:{key}": value for key, value in given.items()}}))
    file = StackFile(path)
    file.check()
    assert (file.k3s().max_pods, [one.name for one in file.nodes()]) == (60, ["a1"])
    file.put_nodes(file.nodes())
    assert [one.name for one in StackFile(path).nodes()] == ["a1"]


@pytest.mark.parametrize(
    ("content", "found"), [(b"config: {}\n# \xe9\n", "no UTF-8"), (None, "Is a directory")]
)
def test_a_file_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, content: bytes | None, found: str
) -> None:
    path = tmp_path / "Pulumi.a1.yaml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(StackFileError) as refused:
        StackFile(path)
    assert str(refused.value) == f"{path}: found {found}, expected a configuration in UTF-8"


def test_the_command_line_tells_what_is_wrong_in_the_same_words(node: Entry, tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.a1.yaml"
    path.write_text(yaml.safe_dump({"config": {f"{PROJECT}:nodes": [node(hostkey="x")]}}))
    with pytest.raises(
        StackFileError, match=r"nodes\[0\].hostkey: found an unknown key, expected hostKey, or"
    ):
        StackFile(path).nodes()


def test_a_value_that_only_pulumi_can_decrypt_hides_nothing_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.a1.yaml"
    config = {
        f"{PROJECT}:hardening": {"firewall": {"adminRanges": ["x"]}},
        f"{PROJECT}:k3s": {"clusterCidr": "10.43.0.0/17"},
        f"{PROJECT}:services": {"maxReplicas": {"secure": "v1:x"}},
    }
    path.write_text(yaml.safe_dump({"config": config}))
    with pytest.raises(StackFileError) as caught:
        StackFile(path).check()
    assert [line.partition(": ")[0] for line in str(caught.value).splitlines()[1:]] == [
        f"{PROJECT}:hardening.firewall.adminRanges[0]",
        f"{PROJECT}:k3s.serviceCidr",
    ]
