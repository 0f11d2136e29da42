"""Units that are masked or gone: switched on, given back as they were, or passed over."""

import os
import subprocess
from pathlib import Path

import pytest

from a1platform.node.hardening.auditd import auditd
from a1platform.node.hardening.time_sync import time_sync
from a1platform.node.hardening.updates import updates
from a1platform.node.host_change import HostChange, render_script
from a1platform.node.shell import guarded
from a1platform.settings.node import TimeSyncSettings, UpdatesSettings

# As systemd does: what is masked is neither enabled nor started, nor is a timer of a masked service.
_SYSTEMCTL = """
local units=@ROOT@/units unit=${@: -1} verb=$1
case "$verb" in --quiet) verb=$2 ;; esac
case "$verb" in
mask) echo masked >"$units/$unit" ;;
unmask) for unit in "${@:3}"; do [ "$(<"$units/$unit")" != masked ] || echo disabled >"$units/$unit"; done ;;
enable) for unit in "${@:3}"; do
    if [ "$unit" = --now ]; then continue; fi
    if [ "$(<"$units/$unit")" = masked ]; then return 1; fi
    [ "$(cat "$units/${unit%.timer}.service" 2>/dev/null)" != masked ] || return 1
    echo enabled >"$units/$unit"
done ;;
disable) echo disabled >"$units/$unit" ;;
start | restart) [ -e "$units/$unit" ] && [ "$(<"$units/$unit")" != masked ] ;;
is-enabled)
    [ "$1" = --quiet ] || cat "$units/$unit" 2>/dev/null
    grep -qs enabled "$units/$unit"
    ;;
is-active)
    [ "$1" = --quiet ] || if grep -qs enabled "$units/$unit"; then echo active; else echo inactive; fi
    grep -qs enabled "$units/$unit"
    ;;
show) case "$*" in *LoadState*) if [ -e "$units/$unit" ]; then echo loaded; else echo not-found; fi ;; esac ;;
esac
"""


class Host:
    """A folder with a file per unit, which says whether it is enabled."""

    def __init__(self, root: Path) -> None:
        """Have a host without units."""
        self.root = root
        self.units = root / "units"
        self.units.mkdir()

    def has(self, **states: str) -> None:
        """Have units, with `_` for a dash and `__` for a dot."""
        for name, state in states.items():
            (self.units / name.replace("__", ".").replace("_", "-")).write_text(f"{state}\n")

    def run(self, change: HostChange, verb: str, **programs: str) -> str:
        """Run a verb of the change without its files, and return what it prints."""
        pieces = {
            name: getattr(change, name) for name in ("functions", "record", "apply", "verify", "revert")
        }
        own = str(self.root / "system")
        pieces = {name: text.replace("/usr/lib/systemd/system", own) for name, text in pieces.items()}
        script = render_script(
            [HostChange(change.name, "a test", **pieces)], "tests", state=f"{self.root}/state"
        )
        told = {"systemctl": _SYSTEMCTL.replace("@ROOT@", str(self.root)), **programs}
        environment = {**os.environ, **{f"BASH_FUNC_{one}%%": f"() {{ {do}\n}}" for one, do in told.items()}}
        command = ["bash", "-s", "--", verb]
        done = subprocess.run(
            command, input=guarded(script), env=environment, capture_output=True, text=True, check=False
        )
        assert done.stderr == ""
        return done.stdout


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


_APT = {
    "apt-config": r"""
        sed -n 's/^\([A-Z].*\) \([^ ]*\)$/\1 "\2";/p' < <(a1_updates_expected)
        a1_updates_lists""",
}


@pytest.mark.parametrize("name", ["apt-daily", "apt-daily-upgrade"])
def test_a_masked_service_of_apts_is_named_unmasked_and_masked_again_in_the_end(
    host: Host, name: str
) -> None:
    host.has(**{f"{one.replace('-', '_')}__timer": "enabled" for one in ("apt-daily", "apt-daily-upgrade")})
    host.has(apt_daily__service="static", apt_daily_upgrade__service="static")
    (host.units / f"{name}.service").write_text("masked\n")
    change = updates(UpdatesSettings())
    assert host.run(change, "verify", **_APT) == f"updates {name}.service\tnot masked\tmasked\t\n"
    assert host.run(change, "apply", **_APT) == "changed\tupdates\n"
    assert "masked" not in {unit.read_text().strip() for unit in host.units.iterdir()}
    host.run(change, "revert", **_APT)
    masked = [unit.name for unit in host.units.iterdir() if unit.read_text() == "masked\n"]
    assert masked == [f"{name}.service"]


def test_a_masked_audit_daemon_is_named_unmasked_and_masked_again_in_the_end(host: Host) -> None:
    host.has(auditd__service="masked")
    programs = {"auditctl": 'case "$1" in -s) echo enabled 1 ;; esac', "augenrules": ":"}
    change = auditd()
    assert "auditd at boot\tenabled\tmasked\t" in host.run(change, "verify", **programs)
    assert host.run(change, "apply", **programs) == "changed\tauditd\n"
    assert (host.units / "auditd.service").read_text() == "enabled\n"
    host.run(change, "revert", **programs)
    assert (host.units / "auditd.service").read_text() == "masked\n"


def test_a_clock_daemon_that_another_has_replaced_is_passed_over(host: Host) -> None:
    host.has(systemd_timesyncd__service="enabled")
    programs = {"timedatectl": "echo yes"}
    change = time_sync(TimeSyncSettings())
    host.root.joinpath("system").mkdir()
    host.root.joinpath("system/systemd-timesyncd.service").touch()
    host.run(change, "apply", **programs)
    host.run(change, "apply", **programs)
    (host.units / "systemd-timesyncd.service").unlink()
    said = host.run(change, "revert", **programs)
    assert said.splitlines()[0].startswith("kept\ttime-sync\tsystemd-timesyncd.service: not started")
    assert said.endswith("reverted\ttime-sync\n")
    assert not (host.root / "state/time-sync").exists()
