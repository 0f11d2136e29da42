"""K3s as a change to its host."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from a1platform.cluster.k3s import BINARY, GROUP, UNIT, k3s
from a1platform.node.host_change import HostFile, render_script
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import NodeSettings
from tests.shell import shellcheck

_DIGEST = "a" * 64


def _file(files: tuple[HostFile, ...], path: str) -> HostFile:
    return next(file for file in files if file.path == path)


def test_the_configuration_is_for_root_alone(server: NodeSettings) -> None:
    change = k3s(K3sSettings(), server, [server], _DIGEST)
    assert _file(change.files, "/etc/rancher/k3s/config.yaml").mode == "0600"


def test_another_binary_changes_the_unit_and_so_restarts_k3s(server: NodeSettings) -> None:
    first, second = (
        _file(k3s(K3sSettings(), server, [server], digest).files, UNIT) for digest in (_DIGEST, "b" * 64)
    )
    assert first != second


def test_an_uploaded_binary_is_checked_and_nothing_is_downloaded(server: NodeSettings) -> None:
    change = k3s(K3sSettings(), server, [server], _DIGEST)
    assert _DIGEST in change.check
    assert "a1_k3s_download" not in change.check


def test_without_an_uploaded_binary_the_release_is_verified_before_anything_is_written(
    server: NodeSettings,
) -> None:
    change = k3s(K3sSettings(sha256=_DIGEST), server, [server])
    assert change.check.split() == [
        *("a1_k3s_download", K3sSettings().release_url, K3sSettings().version, _DIGEST),
    ]
    assert "rm -f -- /usr/local/bin/k3s" in change.revert


def test_a_binary_that_came_from_a_bundle_stays_when_the_bundle_goes(
    server: NodeSettings, tmp_path: Path
) -> None:
    for name, path in (("binary", BINARY), ("images", "/var/lib/rancher/k3s/agent/images/a.tar")):
        (tmp_path / "uploads" / name).mkdir(parents=True)
        (tmp_path / "uploads" / name / "files").write_text(f"{_DIGEST} {path}\n")
    change = k3s(K3sSettings(), server, [server])
    assert "a1_k3s_claim" in change.apply
    assert "a1_k3s_claim" not in k3s(K3sSettings(), server, [server], _DIGEST).apply
    script = f"set -euo pipefail\n{change.functions}\na1_k3s_claim {tmp_path}/uploads"
    subprocess.run(["bash", "-s"], input=script, text=True, check=True)
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == ["images"]


def test_an_uploaded_binary_is_audited_by_its_digest_and_every_file_by_name(server: NodeSettings) -> None:
    change = k3s(K3sSettings(), server, [server], _DIGEST)
    words = change.verify.split()
    assert words[:2] == ["a1_k3s_verify", _DIGEST]
    assert words[2:] == [file.path for file in change.files]


def test_what_would_override_our_configuration_is_named(server: NodeSettings, tmp_path: Path) -> None:
    folder = tmp_path / "config.yaml.d"
    folder.mkdir()
    (folder / "declared.yaml").touch()
    (folder / "stray.yaml").touch()
    functions = k3s(K3sSettings(), server, [server], _DIGEST).functions
    moved = functions.replace("/etc/rancher/k3s/config.yaml.d", str(folder))
    script = f"set -euo pipefail\n{moved}\na1_k3s_overrides {folder}/declared.yaml"
    done = subprocess.run(["bash", "-s"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout == f"{folder}/stray.yaml\n"


@pytest.mark.parametrize(
    "folder",
    ["etc/systemd/system", "etc/systemd/system.control", "run/systemd/system", "usr/lib/systemd/system"],
)
def test_a_drop_in_is_named_wherever_systemd_looks(server: NodeSettings, tmp_path: Path, folder: str) -> None:
    drop_in = tmp_path / folder / "k3s.service.d/x.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.touch()
    functions = k3s(K3sSettings(), server, [server], _DIGEST).functions
    moved = functions.replace("{/etc,/run}", f"{tmp_path}/{{etc,run}}").replace("/usr{", f"{tmp_path}/usr{{")
    script = f"set -euo pipefail\n{moved}\na1_k3s_overrides"
    done = subprocess.run(["bash", "-s"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout == f"{drop_in}\n"


def test_what_the_host_keeps_for_the_uninstall_calls_none_of_our_functions(server: NodeSettings) -> None:
    change = k3s(K3sSettings(), server, [server], _DIGEST)
    assert "a1_k3s" not in change.before_revert + change.revert


def test_a_server_that_leaves_tells_the_cluster_and_the_first_does_not(
    node: Callable[..., NodeSettings],
) -> None:
    nodes = [node(), node(name="a2", host="192.0.2.11"), node(name="a3", host="192.0.2.12")]
    first, second = (k3s(K3sSettings(), member, nodes, _DIGEST).before_revert for member in nodes[:2])
    assert first.startswith("a1_leaving=\n")
    assert second.startswith("a1_leaving=a2\n")


def test_mirrors_of_registries_are_on_every_node_before_k3s_starts_and_a_change_restarts_it(
    node: Callable[..., NodeSettings],
) -> None:
    nodes = [node(), node(name="a2", host="192.0.2.11", role="agent")]
    mirrors = yaml.safe_dump({"mirrors": {"*": {"endpoint": ["https://registry.example.com"]}}})
    file = {"path": "/etc/rancher/k3s/registries.yaml", "content": mirrors, "mode": "0600"}
    for member in nodes:
        with_it, without = (
            k3s(K3sSettings.model_validate(given), member, nodes, _DIGEST)
            for given in ({"extraFiles": [file]}, {})
        )
        (added,) = [one for one in with_it.files if one not in without.files]
        # What K3s runs with: the apply restarts it when one of its files is another.
        assert (added.path, added.content, added.mode) == (file["path"], mirrors, "0600")


def test_the_script_passes_shellcheck(server: NodeSettings) -> None:
    script = render_script([k3s(K3sSettings(), server, [server], _DIGEST)], GROUP)
    assert shellcheck(script) == ""
