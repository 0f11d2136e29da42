"""When a start of K3s counts, what is kept of it, and what comes back after one that is refused."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from a1platform.cluster.k3s import BINARY, k3s
from a1platform.node.shell import library
from a1platform.settings.cluster import K3sSettings
from a1platform.settings.node import NodeSettings

_DIGEST = "a" * 64


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        ("True 2026-11-26T12:00:05Z", True),
        ("True 2026-11-26T12:00:00Z", True),
        ("False 2026-11-26T12:00:05Z", False),
        # What the store still holds of the kubelet that ran before.
        ("True 2026-11-26T11:59:59Z", False),
        ("", False),
    ],
)
def test_a_node_is_ready_when_a_kubelet_says_so_that_has_begun_since_the_start(
    server: NodeSettings, tmp_path: Path, answer: str, *, ready: bool
) -> None:
    program = tmp_path / "k3s"
    program.write_text(f"#!/bin/sh\nprintf %s '{answer}'\n")
    program.chmod(0o755)
    functions = k3s(K3sSettings(), server, [server], _DIGEST).functions.replace(BINARY, str(program))
    begun = int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp())
    script = f"{functions}\na1_k3s_node_ready a1 {begun}"
    assert (subprocess.run(["bash", "-c", script], check=False).returncode == 0) is ready


class _Host:
    """A folder that stands for a host, where K3s gets ready unless `bad` stands in one of its files.

    And where the cluster's DNS answers unless `mute` does.
    """

    def __init__(self, root: Path, server: NodeSettings) -> None:
        self.root = root
        self.binary = root / "bin" / "k3s"
        self.binary.parent.mkdir()
        self.files: dict[str, str] = {}
        self.kept = root / "a1" / "k3s" / "last-good"
        functions = k3s(K3sSettings(), server, [server], _DIGEST).functions
        for path, own in ((BINARY, self.binary), ("/var/lib/a1", root / "a1")):
            functions = functions.replace(path, str(own))
        self.script = f"""{library("host_change.sh")}
{functions}
a1_state={root}/state a1_verb=apply
systemctl() {{
    echo "$*" >>{root}/asked
    case "$*" in *NRestarts*) echo 2 ;; esac
}}
journalctl() {{ :; }}
a1_k3s_place() {{ :; }}
a1_k3s_settle() {{ :; }}
a1_k3s_overrides() {{ :; }}
a1_k3s_node_ready() {{
    echo ready >>{root}/asked
    ! grep -rqs bad {root}/etc {self.binary}
}}
a1_k3s_dns() {{
    echo answer >>{root}/asked
    ! grep -rqs mute {root}/etc {self.binary}
}}
mkdir -p "$a1_state/k3s/files"
"""

    def install(self, text: str) -> None:
        """Put a binary in place as an upload does, by a rename."""
        new = self.binary.with_name("new")
        new.write_text(text)
        new.chmod(0o755)
        new.replace(self.binary)

    def apply(self, *, runs: bool = False, **files: str) -> subprocess.CompletedProcess[str]:
        """Do what apply and confirm of these files do; those that are declared no more are restored first.

        Args:
            runs: Whether K3s is active and was started after its files were written.
            files: Name to content.
        """
        (self.root / "asked").write_text("")
        script = self._script(files, runs=runs)
        return subprocess.run(["bash", "-s"], input=script, capture_output=True, text=True, check=False)

    def apply_unheard(self, **files: str) -> int:
        """Do the same with nobody to hear it, as when a connection was cut; return the exit status."""
        script = self._script(files, runs=False)
        read, write = os.pipe()
        os.close(read)
        try:
            done = subprocess.run(
                ["bash", "-s"], input=script, stdout=write, stderr=write, text=True, check=False
            )
        finally:
            os.close(write)
        return done.returncode

    def asked(self) -> list[str]:
        """Return what the last apply has asked of systemd and, as `ready` and `answer`, of the cluster."""
        return (self.root / "asked").read_text().splitlines()

    def _script(self, files: Mapping[str, str], *, runs: bool) -> str:
        paths = {f"{self.root}/etc/{name}.yaml": content for name, content in files.items()}
        lines = [f"a1_k3s_runs() {{ {str(runs).lower()}; }}"]
        lines += [
            f'a1_restore "$a1_state/k3s/files/{old.replace("/", "%")}"'
            for old in self.files
            if old not in paths
        ]
        for path, content in paths.items():
            lines.append(f"a1_record k3s {path}; mkdir -p {self.root}/etc; echo {content} >{path}")
        self.files = paths
        calls = (
            shlex.join(("a1_k3s_apply", "a1", "9", *paths)),
            shlex.join(("a1_k3s_confirm", "a1", "9", "10.43.0.10", *paths)),
        )
        return "\n".join((self.script, *lines, *calls))

    def there(self) -> dict[str, str]:
        return {path.stem: path.read_text().strip() for path in (self.root / "etc").iterdir()}


@pytest.fixture
def bare(tmp_path: Path, server: NodeSettings) -> _Host:
    """A host with a binary, on which K3s has never been ready."""
    made = _Host(tmp_path, server)
    made.install("first")
    return made


@pytest.fixture
def host(bare: _Host) -> _Host:
    assert bare.apply(config="good").returncode == 0
    return bare


def test_a_start_that_nobody_has_awaited_is_awaited_without_another_and_kept(bare: _Host) -> None:
    # As after a power cut in the middle of an installation: it starts at boot.
    assert bare.apply(runs=True, config="good").returncode == 0
    assert "ready" in bare.asked()
    assert "restart k3s" not in bare.asked()
    answer = bare.apply(config="bad")
    assert "K3s runs with its previous configuration again" in answer.stderr
    assert bare.there() == {"config": "good"}


def test_a_start_that_nobody_has_awaited_is_told_when_it_does_not_get_ready(bare: _Host) -> None:
    answer = bare.apply(runs=True, config="bad")
    assert answer.returncode == 1
    assert "it has never been ready on this node" in answer.stderr
    assert "stop k3s" in bare.asked()
    assert not bare.kept.exists()


def test_a_change_whose_start_nobody_has_awaited_goes_when_it_does_not_get_ready(host: _Host) -> None:
    answer = host.apply(runs=True, config="bad")
    assert "K3s runs with its previous configuration again" in answer.stderr
    assert host.there() == {"config": "good"}


def test_k3s_that_is_known_to_have_been_ready_with_what_is_there_is_asked_nothing(host: _Host) -> None:
    assert host.apply(runs=True, config="good").returncode == 0
    assert host.asked() == ["enable --quiet k3s", "reset-failed k3s", "answer"]


@pytest.mark.parametrize("runs", [False, True])
def test_a_cluster_whose_dns_does_not_answer_gives_its_place_back(host: _Host, *, runs: bool) -> None:
    answer = host.apply(runs=runs, config="mute", extra="fine")
    assert "an answer of the cluster's DNS" in answer.stderr
    assert "K3s runs with its previous configuration again" in answer.stderr
    assert host.there() == {"config": "good"}


def test_a_first_cluster_whose_dns_does_not_answer_is_stopped_and_not_kept(bare: _Host) -> None:
    answer = bare.apply(config="mute")
    assert "it has never been ready on this node" in answer.stderr
    assert bare.asked()[-1] == "stop k3s"
    assert not bare.kept.exists()


def test_a_binary_with_which_no_dns_answers_gives_its_place_back(host: _Host) -> None:
    host.install("mute")
    answer = host.apply(config="good")
    assert "K3s runs with its previous configuration again" in answer.stderr
    assert host.binary.read_text() == "first"
    first = hashlib.sha256(b"first").hexdigest()
    assert (host.root / "state/k3s/binary").read_text().strip() == first


@pytest.mark.parametrize(
    "lost",
    [
        "state/k3s/binary",
        "state/k3s/kept",
        "a1/k3s/last-good",
        "a1/k3s/last-good/{binary}",
        "a1/k3s/last-good/{config}",
    ],
)
def test_what_a_full_disk_had_no_room_for_is_kept_by_the_next_run(host: _Host, lost: str) -> None:
    names = {"binary": host.binary, "config": f"{host.root}/etc/config.yaml"}
    path = host.root / lost.format(**{name: str(one).replace("/", "%") for name, one in names.items()})
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    assert host.apply(runs=True, config="good").returncode == 0
    assert path.exists()
    assert "ready" in host.asked()
    assert "restart k3s" not in host.asked()


def test_a_file_that_a_failed_run_has_added_goes_with_it(host: _Host) -> None:
    answer = host.apply(config="other", extra="bad")
    assert answer.returncode == 1
    assert "K3s runs with its previous configuration again" in answer.stderr
    assert host.there() == {"config": "good"}
    assert host.apply(config="better", extra="fine").returncode == 0
    assert host.there() == {"config": "better", "extra": "fine"}


def test_a_configuration_that_is_refused_goes_also_when_nobody_listens_any_more(host: _Host) -> None:
    assert host.apply_unheard(config="other", extra="bad") == 1
    assert host.there() == {"config": "good"}
    assert host.apply(config="better").returncode == 0


def test_a_file_that_was_there_before_us_comes_back(host: _Host) -> None:
    (host.root / "etc" / "theirs.yaml").write_text("theirs")
    assert host.apply(config="good", theirs="bad").returncode == 1
    assert host.there() == {"config": "good", "theirs": "theirs"}


def test_a_file_that_a_failed_run_has_dropped_comes_back_until_one_succeeds_without_it(host: _Host) -> None:
    assert host.apply(config="good", extra="fine").returncode == 0
    assert host.apply(config="bad").returncode == 1
    assert host.there() == {"config": "good", "extra": "fine"}
    entry = host.root / "state/k3s/files" / f"{host.root}/etc/extra.yaml".replace("/", "%")
    assert (entry / "path").read_text().strip() == f"{host.root}/etc/extra.yaml"


def test_a_file_that_is_declared_no_more_is_one_that_k3s_runs_without(host: _Host) -> None:
    assert host.apply(config="good", extra="fine").returncode == 0
    assert host.apply(runs=True, config="good").returncode == 0
    assert "restart k3s" in host.asked()
    assert host.there() == {"config": "good"}
    assert host.apply(runs=True, config="good").returncode == 0
    assert "restart k3s" not in host.asked()


def test_a_binary_that_does_not_start_gives_its_place_back(host: _Host) -> None:
    host.install("bad")
    answer = host.apply(config="other")
    assert "K3s runs with its previous configuration again" in answer.stderr
    assert host.binary.read_text() == "first"
    assert host.binary.stat().st_mode & 0o777 == 0o755
    host.install("second")
    assert host.apply(config="other").returncode == 0
    host.install("bad")
    assert host.apply(config="other").returncode == 1
    assert host.binary.read_text() == "second"


def test_a_kept_binary_that_was_changed_is_not_put_back(host: _Host) -> None:
    host.binary.write_text("changed in place")
    host.install("bad")
    answer = host.apply(config="good")
    assert "K3s does not start with its previous configuration either" in answer.stderr
    assert host.binary.read_text() == "bad"


@pytest.mark.parametrize(("recorded", "stays"), [("first", True), ("bad", False)])
def test_a_binary_that_came_back_goes_with_k3s_where_no_upload_knows_it(
    host: _Host, server: NodeSettings, recorded: str, *, stays: bool
) -> None:
    uploads = host.root / "a1" / "uploads" / "cluster-a1-binary"
    uploads.mkdir(parents=True)
    uploads.joinpath("files").write_text(f"{hashlib.sha256(recorded.encode()).hexdigest()} {host.binary}\n")
    text = k3s(K3sSettings(), server, [server], _DIGEST).before_revert
    (block,) = re.findall(r"^if \[ -f /usr/local/bin/k3s \].*?^fi$", text, re.MULTILINE | re.DOTALL)
    moved = block.replace("%usr%local%bin%k3s", str(host.binary).replace("/", "%"))
    moved = moved.replace("/var/lib/a1", f"{host.root}/a1").replace(BINARY, str(host.binary))
    subprocess.run(["bash", "-s"], input=moved, text=True, check=True)
    assert host.binary.exists() is stays
