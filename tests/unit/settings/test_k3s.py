"""What K3s cannot run with is refused with the settings, not on the node."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from a1platform.cluster import config
from a1platform.cluster.k3s import BINARY, k3s
from a1platform.node.hardening import changes
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.load import parse
from a1platform.settings.node import HardeningSettings, NodeSettings
from sandbox.stack_settings import stack_settings
from tests.unit.settings.refused import Entry, refused

VERSION = "v1.30.5+k3s1"
Bundle = Callable[..., str]


def _file(**wrong: object) -> dict[str, Any]:
    return {"extraFiles": [{"path": "/etc/rancher/k3s/registries.yaml", "content": "x\n", **wrong}]}


@pytest.mark.parametrize(
    ("k3s_settings", "line"),
    [
        (_file(content="x"), "extraFiles[0].content: found a text without a line break at its end, expected"),
        (_file(content=""), "extraFiles[0].content: found a text without a line break at its end, expected"),
        (_file(content="A1_END_OF_FILE\n"), "extraFiles[0].content: found A1_END_OF_FILE or a zero byte"),
        (_file(path="/etc/%i"), "extraFiles[0].path: found '/etc/%i', expected an absolute path without %"),
        (_file(path="etc/x"), "extraFiles[0].path: found 'etc/x', expected an absolute path"),
        (_file(path="/etc/../etc/x"), "extraFiles[0].path: found '/etc/../etc/x', expected an absolute path"),
        (_file(path="//etc/x"), "extraFiles[0].path: found '//etc/x', expected an absolute path"),
        (_file(path="/"), "extraFiles[0].path: found '/', expected an absolute path"),
        (_file(mode="644"), "extraFiles[0].mode: found '644', expected four octal digits such as '0644'"),
        (_file(mode=420), "extraFiles[0].mode: found 420, expected a text, in quotes"),
        (
            {"extraFiles": _file()["extraFiles"] * 2},
            "extraFiles[1].path: found '/etc/rancher/k3s/registries.yaml', which extraFiles[0] has too, exp",
        ),
        (
            {"serviceCidr": "10.43.0.0/29"},
            "serviceCidr: found '10.43.0.0/29', expected a range of /12 to /28",
        ),
        ({"serviceCidr": "11.0.0.0/8"}, "serviceCidr: found '11.0.0.0/8', expected a range of /12 to /28"),
        (
            {"clusterCidr": "10.42.0.0/25"},
            "clusterCidr: found '10.42.0.0/25', expected a range of at least th",
        ),
        ({"clusterCidr": "127.0.0.0/16"}, "clusterCidr: found '127.0.0.0/16', expected a range that is nei"),
        ({"clusterCidr": "224.0.0.0/16"}, "clusterCidr: found '224.0.0.0/16', expected a range that is nei"),
        ({"serviceCidr": "127.1.0.0/16"}, "serviceCidr: found '127.1.0.0/16', expected a range that is nei"),
        (
            {"releaseUrl": "files.example.com"},
            "releaseUrl: found 'files.example.com', expected a URL such as",
        ),
        ({"releaseUrl": "file:///srv/k3s"}, "releaseUrl: found 'file:///srv/k3s', expected a URL such as"),
        ({"extraConfig": {"secrets-encryption": False}}, "extraConfig.secrets-encryption: found false, exp"),
        (
            {"extraConfig": {"kubelet-arg": "x"}},
            "extraConfig.kubelet-arg: found 'x', expected a list, which is added",
        ),
        ({"extraConfig": {"kubelet-arg": [1]}}, "extraConfig.kubelet-arg[0]: found 1, expected a text"),
        (
            {"extraConfig": {"disable": ["treafik"]}},
            "extraConfig.disable: found a key that the program sets, expected k3s.disable",
        ),
        (
            {"extraConfig": {"tls-san": ["x"]}},
            "extraConfig.tls-san: found a key that the program sets, expected k3s.tlsSan",
        ),
        ({"tlsSan": ["a1.example.org", "a b"]}, "tlsSan[1]: found 'a b', expected a name or an address"),
        ({"tlsSan": [""]}, "tlsSan[0]: found '', expected a name or an address"),
        ({"openFiles": 99999999999999}, "openFiles: found 99999999999999, expected at most 1073741816"),
        (
            {"extraConfig": {"kubelet-arg+": ["v=2"]}},
            "extraConfig.kubelet-arg+: found 'kubelet-arg+', expect",
        ),
        (
            {"extraConfig": {"cluster-cidr": "x"}},
            "extraConfig.cluster-cidr: found a key that the program set",
        ),
        (
            {"extraConfig": {"protect-kernel-defaults": "no"}},
            "extraConfig.protect-kernel-defaults: found 'no'",
        ),
        (
            {"extraConfig": {"kubelet-arg": ["v=2", "max-pods=9"]}},
            "extraConfig.kubelet-arg[1]: found 'max-pods=9', which the program sets, expected k3s.maxPods",
        ),
        (
            {"extraConfig": {"kube-apiserver-arg": ["anonymous-auth=true"]}},
            "extraConfig.kube-apiserver-arg[0]: found 'anonymous-auth=true', expected anonymous-auth=false",
        ),
        (
            {"extraConfig": {"kube-apiserver-arg": ["audit-log-path=-"]}},
            "extraConfig.kube-apiserver-arg[0]: found 'audit-log-path=-', which the program sets, expected",
        ),
        # NodePorts of another range would be open to everybody, whatever nodePortRanges says.
        (
            {"extraConfig": {"service-node-port-range": "20000-32767"}},
            "extraConfig.service-node-port-range: found a key that the program sets, expected none:",
        ),
        (
            {"extraConfig": {"kube-apiserver-arg": ["--service-node-port-range=1-32767"]}},
            "extraConfig.kube-apiserver-arg[0]: found '--service-node-port-range=1-32767', which the program",
        ),
    ],
)
def test_what_k3s_cannot_run_with_is_refused(k3s_settings: dict[str, Any], line: str) -> None:
    (told,) = refused({"k3s": k3s_settings})
    assert told.startswith(f"k3s.{line}")


def test_each_node_gets_a_24_of_the_addresses_of_pods(node: Entry) -> None:
    nodes: Any = [node(name=f"a{one}", host=f"192.0.2.{one}") for one in (1, 2, 3)]
    (told,) = refused({"nodes": nodes, "k3s": {"clusterCidr": "10.42.0.0/23"}})
    assert told.startswith(
        "k3s.clusterCidr: found '10.42.0.0/23', expected a range of at least the size of /22: each of 3 "
    )
    parse({"nodes": nodes, "k3s": {"clusterCidr": "10.42.0.0/22"}})
    parse({"nodes": nodes[:1], "k3s": {"clusterCidr": "10.42.0.0/24"}})
    size: Any = {"kube-controller-manager-arg": ["node-cidr-mask-size=26"]}
    parse({"nodes": nodes, "k3s": {"clusterCidr": "10.42.0.0/24", "extraConfig": size}})


def test_a_file_of_the_programs_own_is_no_extra_file(node: Entry) -> None:
    settings = NodeSettings.model_validate(node())
    paths = {file.path for change in changes(HardeningSettings(), "root") for file in change.files}
    paths |= {file.path for file in k3s(K3sSettings(), settings, [settings]).files}
    paths |= {config.TOKEN_FILE, BINARY, "/etc/rancher/k3s/config.yaml.d/x.yaml"}
    for path in paths:
        (told,) = refused({"k3s": _file(path=path)})
        assert "which the program writes itself, expected another path" in told


def test_what_the_program_writes_into_the_configuration_is_known_to_be_its_own(node: Entry) -> None:
    settings = NodeSettings.model_validate(node(address="192.0.2.1"))
    given = (config.server_config(K3sSettings(), settings, (), join) for join in (None, "192.0.2.9"))
    keys = {line.partition(":")[0] for text in given for line in text.splitlines() if line[:1].isalpha()}
    for key in keys:
        assert refused({"k3s": {"extraConfig": {key: "x"}}}), key


def test_the_sandboxs_own_settings_are_taken() -> None:
    parse({"k3s": stack_settings([])["config"]["a1platform:k3s"]})


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A function that makes a bundle's list with a K3s, and gives its folder."""

    def make(text: str = "", **changes: str) -> str:
        own = {"version": VERSION, "path": "k3s", "sha256": "a" * 64, "origin": "test", **changes}
        listed = {"schema": 1, "k3s": own, "parts": {}, "leftOut": {}}
        (tmp_path / "bundle.json").write_text(text or json.dumps(listed))
        return str(tmp_path)

    return make


def test_a_pinned_k3s_is_that_of_the_bundle(bundle: Bundle) -> None:
    folder = bundle()
    given = {"version": "v1.31.0+k3s1", "sha256": "b" * 64, "maxPods": 5}
    assert [line.replace("'", "") for line in refused({"bundle": folder, "k3s": given})] == [
        "k3s.maxPods: found 5, expected at least 10",
        f"k3s.version: found v1.31.0+k3s1, expected {VERSION}, which is the K3s in the bundle {folder}",
        f"k3s.sha256: found {'b' * 64}, expected {'a' * 64}, which is the K3s in the bundle {folder}",
    ]
    parse({"bundle": folder, "k3s": {"version": VERSION, "sha256": "a" * 64}})


def test_a_bundle_of_another_k3s_than_the_default_wants_its_version_named(bundle: Bundle) -> None:
    folder = bundle(version="v1.31.0+k3s1")
    (told,) = refused({"bundle": folder})
    assert told.startswith(f"k3s.version: found '{VERSION}', expected v1.31.0+k3s1, which is the K3s in the")
    parse({"bundle": folder, "k3s": {"version": "v1.31.0+k3s1"}})


def test_a_bundle_without_k3s_is_refused_unless_it_is_said_where_the_nodes_get_it(bundle: Bundle) -> None:
    folder = bundle('{"schema": 1, "k3s": null}')
    (told,) = refused({"bundle": folder})
    assert told.startswith(f"bundle: found a bundle without K3s in {folder}, expected one with it, as ")
    assert "`a1 bundle build --parts system`" in told
    parse({"bundle": folder, "k3s": {"releaseUrl": "https://files.example.com/k3s"}})


def test_a_damaged_bundle_is_told_with_everything_else(bundle: Bundle) -> None:
    keys = [line.partition(": ")[0] for line in refused({"bundle": bundle("{"), "k3s": {"maxPods": 5}})]
    assert keys == ["k3s.maxPods", "bundle"]
