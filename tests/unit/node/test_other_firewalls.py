"""Another firewall that somebody switches on later is seen, and is for a person to switch off."""

from pathlib import Path

import pytest

from a1platform.node.hardening.firewall import firewall
from a1platform.settings.node import FirewallSettings
from tests.unit.node.answering import refused, verified

_PROGRAMS = {
    "sshd": "echo port 22",
    "nft": "echo table inet a1",
    "unshare": "echo table inet a1",
    "cmp": ":",
}


def _units(firewalld: str) -> str:
    return f"""case "$*" in
        "is-enabled firewalld") [ "{firewalld}" != enabled ] || echo enabled ;;
        "is-active firewalld") echo {firewalld or "inactive"} ;;
    esac"""


@pytest.mark.parametrize("firewalld", ["", "enabled", "active"])
def test_firewalld_beside_ours_is_named_and_refused_once_it_is_switched_on(
    tmp_path: Path, firewalld: str
) -> None:
    programs = {**_PROGRAMS, "systemctl": _units(firewalld)}
    found = verified(firewall(FirewallSettings()), tmp_path, programs)
    assert found == ("firewall beside ours\tnone\tfirewalld\t\n" if firewalld else "")
    told = refused(firewall(FirewallSettings()), tmp_path, programs)
    assert ("firewall: found firewalld switched on beside ours, expected none" in told) == bool(firewalld)
    assert bool(told) == bool(firewalld)


@pytest.mark.parametrize("enabled", ["yes", "no"])
def test_ufw_beside_ours_is_refused_once_it_is_switched_on(tmp_path: Path, enabled: str) -> None:
    file = tmp_path / "etc/ufw/ufw.conf"
    file.parent.mkdir(parents=True)
    file.write_text(f"# ufw\nENABLED={enabled}\n")
    told = refused(firewall(FirewallSettings()), tmp_path, {**_PROGRAMS, "systemctl": _units("")})
    assert ("found ufw switched on beside ours" in told) == (enabled == "yes")
