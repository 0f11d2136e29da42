"""Kernel parameters of interfaces, against a folder that stands for /proc/sys."""

import subprocess
from pathlib import Path

import pytest

from a1platform.node.hardening.sysctl import sysctl
from a1platform.node.host_change import HostChange, render_script
from a1platform.node.shell import guarded
from a1platform.settings.node import HardeningSettings

# A name with a dot is that of a VLAN.
_FOLDERS = "{/usr/lib,/usr/local/lib,/run,/etc}"
_SCOPES = ("all", "default", "eth0", "eth0.100")


class Kernel:
    """A folder with the parameters of interfaces, as a kernel that accepts everything has them."""

    def __init__(self, root: Path) -> None:
        """Have a kernel with two interfaces."""
        self.root = root
        self.files = [
            root / f"sys/net/{family}/conf/{scope}/{leaf}"
            for family, leaf in (("ipv6", "accept_redirects"), ("ipv4", "send_redirects"))
            for scope in _SCOPES
        ]
        for file in self.files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("1\n")

    @property
    def values(self) -> list[str]:
        """What the parameters are."""
        return [file.read_text().strip() for file in self.files]

    def run(self, verb: str, settings: HardeningSettings | None = None) -> str:
        """Run a verb of the change and return what it prints."""
        change = sysctl(settings or HardeningSettings())
        names = ("functions", "check", "record", "apply", "verify", "revert")
        moved = {"/proc/sys": f"{self.root}/sys", _FOLDERS: self.root.as_posix() + _FOLDERS}
        pieces = {name: getattr(change, name) for name in names}
        for old, new in moved.items():
            pieces = {name: text.replace(old, new) for name, text in pieces.items()}
        script = render_script(
            [HostChange("sysctl", "a test", **pieces)], "tests", state=str(self.root / "state")
        )
        command = ["bash", "-s", "--", verb]
        done = subprocess.run(command, input=guarded(script), capture_output=True, text=True, check=False)
        assert done.stderr == "" or done.returncode == 1
        return (done.stdout or done.stderr).replace(str(self.root), "")

    def write(self, path: str, text: str) -> None:
        """Have a file of the site."""
        file = self.root / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_no_interface_that_is_there_already_takes_or_sends_redirects(kernel: Kernel) -> None:
    kernel.run("apply")
    assert set(kernel.values) == {"0"}
    assert kernel.run("apply") == ""


def test_an_interface_that_takes_redirects_is_named_whatever_all_of_them_are_told(kernel: Kernel) -> None:
    kernel.run("apply")
    for scope in ("eth0", "eth0.100"):
        (kernel.root / f"sys/net/ipv6/conf/{scope}/accept_redirects").write_text("1\n")
    assert set(kernel.run("verify").splitlines()) == {
        "sysctl net.ipv6.conf.eth0.accept_redirects\t0\t1\t",
        "sysctl net.ipv6.conf.eth0/100.accept_redirects\t0\t1\t",
    }


def test_interfaces_get_back_what_they_had(kernel: Kernel) -> None:
    kernel.files[2].write_text("0\n")
    before = kernel.values
    kernel.run("apply")
    kernel.run("revert")
    assert kernel.values == before


def test_at_boot_interfaces_are_told_by_a_pattern(kernel: Kernel) -> None:
    lines = sysctl(HardeningSettings()).files[0].content.splitlines()
    assert "-net.ipv6.conf.*.accept_redirects = 0" in lines
    assert "-net.ipv4.conf.*.send_redirects = 0" in lines
    skip = {"sysctl": {"skip": {"net.ipv6.conf.*.accept_redirects": "a test"}}}
    kernel.run("apply", HardeningSettings.model_validate(skip))
    assert kernel.values == ["1"] * 4 + ["0"] * 4


_LOCAL = "/etc/sysctl.d/local.conf"


@pytest.mark.parametrize(
    ("path", "line", "told"),
    [
        (_LOCAL, "kernel.panic = 60", "kernel.panic\t10\t60"),
        ("/run/sysctl.d/local.conf", "-vm.overcommit_memory=2", "vm.overcommit_memory\t1\t2"),
        (_LOCAL, "/kernel/panic = 60", "kernel.panic\t10\t60"),
        (
            _LOCAL,
            "net/ipv6/conf/eth0.100/accept_redirects=1",
            "net.ipv6.conf.eth0/100.accept_redirects\t0\t1",
        ),
        (
            _LOCAL,
            "net.ipv6.conf.eth0/100.accept_redirects=1",
            "net.ipv6.conf.eth0/100.accept_redirects\t0\t1",
        ),
        # A name wins over our pattern wherever it stands, a pattern only behind it.
        (
            "/etc/sysctl.d/10.conf",
            "net.ipv4.conf.all.send_redirects=1",
            "net.ipv4.conf.all.send_redirects\t0\t1",
        ),
        (
            "/etc/sysctl.d/10.conf",
            "-net.ipv4.conf.all.send_redirects",
            "net.ipv4.conf.all.send_redirects\t0\tleft",
        ),
        ("/etc/sysctl.d/10.conf", "net.ipv4.conf.e*.send_redirects=1", ""),
        (_LOCAL, "net.ipv4.conf.a*.send_redirects=1", "net.ipv4.conf.all.send_redirects\t0\t1"),
        ("/usr/lib/sysctl.d/99-x.conf", "kernel.panic = 60", ""),
        (_LOCAL, "kernel.pani* = 60", ""),
        (_LOCAL, "kernel.panic =  10", ""),
        (_LOCAL, "kernel.panic = 60\nkernel.panic = 10", ""),
        (_LOCAL, "kernel.yama.ptrace_scope = 3", ""),
        (_LOCAL, "# kernel.panic = 60\n; kernel.panic = 60\nnonsense\n= 5", ""),
        ("/etc/sysctl.d/local", "kernel.panic = 60", ""),
    ],
)
def test_a_line_of_the_site_that_wins_over_ours_at_boot_is_named(
    kernel: Kernel, path: str, line: str, told: str
) -> None:
    kernel.write(path, f"\n{line}\n")
    said = [one for one in kernel.run("verify").splitlines() if " at boot" in one]
    if told:
        key, value, found = told.split("\t")
        assert said[0].startswith(f"sysctl {key} at boot\t{value}\t{found}")
        assert f" by {path}:2\t" in said[0]
    assert len(said) == bool(told)


def test_a_line_that_wins_over_ours_at_boot_is_refused_before_anything_is_written(kernel: Kernel) -> None:
    kernel.write(_LOCAL, "kernel.panic = 60\n")
    before = kernel.values
    told = kernel.run("apply").splitlines()
    assert "found a line of sysctl.d that wins over /etc/sysctl.d/99a1-sysctl.conf at boot" in told[0]
    assert told[1:] == [f"kernel.panic\t10\t60\t{_LOCAL}:1"]
    assert kernel.values == before


def test_a_file_of_the_same_name_in_etc_hides_the_others(kernel: Kernel) -> None:
    kernel.write("/usr/lib/sysctl.d/local.conf", "kernel.panic = 60\n")
    assert "found a line of sysctl.d" in kernel.run("apply")
    kernel.write(_LOCAL, "")
    assert "found a line" not in kernel.run("apply")


def test_a_key_that_is_left_alone_is_the_sites(kernel: Kernel) -> None:
    kernel.write(_LOCAL, "kernel.sysrq = 1\n")
    settings = HardeningSettings.model_validate({"sysctl": {"skip": {"kernel.sysrq": "a test"}}})
    assert "found a line" not in kernel.run("apply", settings)


def test_a_value_that_was_locked_meanwhile_stays_and_all_others_are_given_back(kernel: Kernel) -> None:
    kernel.write("sys/kernel/yama/ptrace_scope", "1\n")
    before = kernel.values
    kernel.run("apply")
    kernel.write("sys/kernel/yama/ptrace_scope", "3\n")
    assert kernel.run("verify") == ""
    said = kernel.run("revert")
    assert "kept\tsysctl\t/sys/kernel/yama/ptrace_scope: 3, which nobody can set back" in said
    assert said.endswith("reverted\tsysctl\n")
    assert (kernel.root / "sys/kernel/yama/ptrace_scope").read_text() == "3\n"
    assert kernel.values == before
