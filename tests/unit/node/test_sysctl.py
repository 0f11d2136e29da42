"""Kernel parameters of interfaces, against a folder that stands for /proc/sys."""

import subprocess
from pathlib import Path

import pytest

from a1platform.node.hardening.sysctl import sysctl
from a1platform.node.host_change import HostChange, render_script
from a1platform.node.shell import guarded
from a1platform.settings.node import HardeningSettings

# A name with a dot is that of a VLAN.
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
        names = ("functions", "record", "apply", "verify", "revert")
        pieces = {name: getattr(change, name).replace("/proc/sys", f"{self.root}/sys") for name in names}
        script = render_script(
            [HostChange("sysctl", "a test", **pieces)], "tests", state=str(self.root / "state")
        )
        command = ["bash", "-s", "--", verb]
        done = subprocess.run(command, input=guarded(script), capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout


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
