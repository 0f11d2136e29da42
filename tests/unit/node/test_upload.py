"""Uploads and the giving back of a host run for real here, against a temporary folder."""

import hashlib
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from a1platform.node.give_back import render_give_back
from a1platform.node.host_change import HostChange, HostFile, render_script
from a1platform.node.shell import guarded
from a1platform.node.upload import Upload, render_install
from tests.shell import shellcheck

_USER = pwd.getpwuid(os.getuid()).pw_name
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files are given to root")


class Host:
    """A folder that stands for a host, its login user's home included."""

    def __init__(self, root: Path) -> None:
        """Make it as bare as a host gets."""
        self.root = root
        self.records = root / "records"
        self.home = root / "home"
        self.home.mkdir()

    def copy(self, name: str, text: str) -> None:
        """Do what the plugin does before the script runs."""
        folder = self.home / ".a1-upload" / "example"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    def run(self, verb: str, *uploads: Upload) -> subprocess.CompletedProcess[str]:
        """Run the script of these uploads."""
        return self.bash(
            render_install("example", ".a1-upload/example", uploads, _USER, str(self.records)), verb
        )

    def give_back(self) -> subprocess.CompletedProcess[str]:
        """Run the script that gives the host back."""
        script = render_give_back(
            _USER, "hardening", state=str(self.root / "changes"), records=str(self.records)
        )
        return self.bash(script, "")

    def bash(self, script: str, verb: str) -> subprocess.CompletedProcess[str]:
        """Run a script with the user's home moved here."""
        moved = script.replace(f"$(getent passwd {_USER} | cut -d: -f6)", str(self.home))
        return subprocess.run(
            ["bash", "-s", "--", verb], input=guarded(moved), capture_output=True, text=True, check=False
        )

    def tree(self) -> list[str]:
        """The paths of everything that is there."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def _upload(host: Host, text: str, path: str = "opt/deep/k3s") -> Upload:
    return Upload("k3s", hashlib.sha256(text.encode()).hexdigest(), str(host.root / path), "0755")


def test_a_copy_is_put_in_place_with_its_mode_and_is_gone_from_the_home(host: Host) -> None:
    host.copy("k3s", "binary")
    done = host.run("apply", _upload(host, "binary"))
    assert done.returncode == 0, done.stderr
    assert (host.root / "opt/deep/k3s").read_text() == "binary"
    assert (host.root / "opt/deep/k3s").stat().st_mode & 0o777 == 0o755
    assert list(host.home.iterdir()) == []


def test_a_second_apply_needs_no_copy(host: Host) -> None:
    host.copy("k3s", "binary")
    host.run("apply", _upload(host, "binary"))
    before = host.tree()
    assert host.run("apply", _upload(host, "binary")).returncode == 0
    assert host.tree() == before


def test_a_copy_with_another_digest_is_refused_and_named(host: Host) -> None:
    host.copy("k3s", "something else")
    done = host.run("apply", _upload(host, "binary"))
    assert done.returncode == 1
    assert "k3s: found sha256" in done.stderr
    assert not (host.root / "opt/deep/k3s").exists()


def test_revert_removes_the_files_and_the_folders_that_were_made_for_them(host: Host) -> None:
    before = host.tree()
    host.copy("k3s", "binary")
    host.run("apply", _upload(host, "binary"))
    assert host.run("revert").returncode == 0
    assert host.tree() == before


def test_revert_leaves_a_file_that_somebody_else_has_replaced(host: Host) -> None:
    host.copy("k3s", "binary")
    host.run("apply", _upload(host, "binary"))
    (host.root / "opt/deep/k3s").write_text("the operator's own")
    host.run("revert")
    assert (host.root / "opt/deep/k3s").read_text() == "the operator's own"


def test_what_an_earlier_upload_has_put_and_this_one_does_not_is_removed(host: Host) -> None:
    host.copy("k3s", "binary")
    host.run("apply", _upload(host, "binary", "opt/old"))
    host.copy("k3s", "binary")
    host.run("apply", _upload(host, "binary", "opt/new"))
    assert not (host.root / "opt/old").exists()
    assert (host.root / "opt/new").exists()


def test_a_disk_that_fills_leaves_no_part_of_a_file_and_keeps_the_copy(host: Host) -> None:
    host.copy("k3s", "binary")
    full = Upload("k3s", hashlib.sha256(b"binary").hexdigest(), "/dev/full/k3s")
    done = host.run("apply", full)
    assert done.returncode != 0
    assert (host.home / ".a1-upload/example/k3s").exists()


def test_a_host_is_given_back_after_a_run_that_nobody_remembers(host: Host) -> None:
    before = host.tree()
    host.copy("k3s", "binary")
    host.run("apply", _upload(host, "binary"))
    host.copy("more", "cut in the middle")
    for group in ("hardening", "k3s"):
        name = f"{group}-change"
        file = HostFile(str(host.root / group / "a.conf"), "ours\n")
        change = HostChange(name, "a test", (file,), revert=f"echo {group} >>{host.root}/order")
        host.bash(render_script([change], group, state=str(host.root / "changes")), "apply")
    done = host.give_back()
    assert done.returncode == 0, done.stderr
    assert (host.root / "order").read_text().split() == ["k3s", "hardening"]
    (host.root / "order").unlink()
    assert host.tree() == before


def test_giving_back_an_untouched_host_does_nothing(host: Host) -> None:
    before = host.tree()
    done = host.give_back()
    assert (done.returncode, done.stderr) == (0, "")
    assert host.tree() == before


@pytest.mark.parametrize("script", ["install", "give back"])
def test_the_scripts_pass_shellcheck(script: str) -> None:
    text = (
        render_install("x", ".a1-upload/x", [Upload("a", "0" * 64, "/opt/a")], "ops")
        if script == "install"
        else render_give_back("ops", "hardening")
    )
    assert shellcheck(text) == ""
