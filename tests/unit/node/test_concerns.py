"""The concerns that are more than a list: audit rules, updates, the clock, logins."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from a1platform.node.hardening.auditd import KEY, auditd, render_rules, render_x86_rules
from a1platform.node.hardening.login import LOGIN_DEFS, login
from a1platform.node.hardening.time_sync import time_sync
from a1platform.node.hardening.updates import RESTARTS_THE_NETWORK, render_apt, updates
from a1platform.node.host_change import HostChange, render_script
from a1platform.node.shell import guarded
from a1platform.settings.node import TimeSyncSettings, UpdatesSettings
from tests.unit.node.answering import verified


def _rules() -> list[str]:
    lines = (render_rules() + render_x86_rules()).splitlines()
    return [line for line in lines if not line.startswith("#")]


def _content(change: HostChange, path: str) -> str:
    return next(file.content for file in change.files if file.path == path)


def test_every_audit_rule_has_a_key_of_ours_so_that_it_can_be_told_from_others() -> None:
    assert all(re.search(rf" -F key={KEY}[a-z]+$", rule) for rule in _rules())
    assert len(set(_rules())) == len(_rules())


def test_what_containers_do_all_day_is_not_recorded() -> None:
    noisy = ("unlinkat", "openat", "fchmodat", "execve", "mount", "adjtimex")
    rules = [rule for rule in _rules() if any(f"{call}" in rule for call in noisy) and "-S" in rule]
    assert rules
    assert all("-F auid!=unset" in rule for rule in rules)


def test_loading_a_kernel_module_is_recorded_whoever_does_it() -> None:
    rules = [rule for rule in _rules() if "init_module" in rule]
    assert len(rules) == 2
    assert not any("auid" in rule for rule in rules)


@pytest.mark.parametrize(
    "family",
    [
        *("time", "identity", "network", "session", "permissions", "denied", "privileged", "sudo"),
        *("mounts", "deletion", "modules", "configuration", "programs", "cluster"),
    ],
)
def test_each_family_of_the_benchmark_is_covered(family: str) -> None:
    assert any(rule.endswith(f"key={KEY}{family}") for rule in _rules())


def test_mounts_are_recorded_by_whichever_calls_the_hosts_mount_makes() -> None:
    (rule,) = (rule for rule in render_rules().splitlines() if rule.endswith(f"key={KEY}mounts"))
    calls = re.findall(r"-S (\S+)", rule)[0].split(",")
    assert {"mount", "umount2", "move_mount", "fsmount", "open_tree", "mount_setattr"} <= set(calls)


def test_changed_permissions_are_recorded_by_whichever_call_the_hosts_chmod_makes() -> None:
    (rule,) = (rule for rule in render_rules().splitlines() if rule.endswith(f"key={KEY}permissions"))
    # fchmodat2(2), whose name an older auditctl does not know.
    assert {"fchmod", "fchmodat", "452"} <= set(re.findall(r"-S (\S+)", rule)[0].split(","))


def test_audit_rules_that_are_kept_by_hand_are_given_back(tmp_path: Path) -> None:
    folder = tmp_path / "etc/audit"
    folder.mkdir(parents=True)
    kept = folder / "audit.rules"
    kept.write_text("-w /srv -p wa\n")
    programs = {
        "systemctl": 'case "$1" in is-active) echo active ;; is-enabled) echo enabled ;; esac',
        "augenrules": f"echo made >{kept}; echo made >{kept}.prev",
        "auditctl": f'case "$1" in -s) printf "%s\n" "enabled 1" "failure 2" "backlog_limit 99" ;; '
        f'-l) ;; *) echo "$*" >>{tmp_path}/told ;; esac',
    }
    change = auditd()
    pieces = {name: getattr(change, name) for name in ("functions", "record", "apply", "revert")}
    only = HostChange("auditd", "a test", **pieces, verify='[ -e "$a1_state/auditd/loaded" ] || echo none')
    script = render_script([only], "tests", state=str(tmp_path / "state"))
    for verb in ("apply", "revert"):
        subprocess.run(
            ["bash", "-s", "--", verb],
            input=guarded(script.replace("/etc/audit", str(folder))),
            env={
                **os.environ,
                **{f"BASH_FUNC_{name}%%": f"() {{ {text}\n}}" for name, text in programs.items()},
            },
            text=True,
            check=True,
        )
    assert [file.name for file in folder.iterdir()] == ["audit.rules"]
    assert kept.read_text() == "-w /srv -p wa\n"
    assert (tmp_path / "told").read_text().splitlines()[-3:] == [f"-R {kept}", "-f 2", "-b 99"]


def test_nothing_locks_the_audit_rules_until_a_restart() -> None:
    assert not any(rule.startswith("-e") for rule in _rules())


@pytest.mark.parametrize(
    "rule",
    [
        *("-a never,task", "-a exit,never -F dir=/etc", "-A never,exclude -F msgtype=SYSCALL"),
        *("-a always,exclude -F msgtype=SYSCALL", "-a exclude,always -F msgtype=USER_LOGIN"),
    ],
)
def test_a_rule_that_keeps_from_recording_is_named(tmp_path: Path, rule: str) -> None:
    (tmp_path / "auditd").mkdir()
    (tmp_path / "auditd/loaded").touch()
    programs = {
        "systemctl": 'case "$1" in is-active) echo active ;; is-enabled) echo enabled ;; esac',
        "auditctl": f'case "$1" in -s) echo enabled 1 ;; -l) echo "{rule}"; echo "-w /never" ;; esac',
    }
    (found,) = verified(auditd(), tmp_path, programs).splitlines()
    assert found == f"auditd rules\tnone that keeps from recording\t{rule}\t"


def test_rules_of_ours_are_deleted_by_their_keys_also_where_auditd_was_there_before() -> None:
    revert = auditd().revert
    assert revert.index("auditctl -D -k") < revert.index("augenrules --load")
    assert revert.index("auditctl -D -k") < revert.index('"$live/active"')


def test_rules_for_calls_that_only_x86_has_stay_off_other_machines() -> None:
    assert "arch=b32" not in render_rules()
    (x86,) = (file for file in auditd().files if file.content == render_x86_rules())
    assert x86.machine == "x86_64"


def test_the_audit_log_turns_over_and_never_stops_or_fills_the_disk() -> None:
    conf = dict(
        line.split(" = ")
        for line in _content(auditd(), "/etc/audit/auditd.conf").splitlines()
        if " = " in line
    )
    assert conf["max_log_file_action"] == "ROTATE"
    assert int(conf["max_log_file"]) * int(conf["num_logs"]) <= 200
    actions = {value for key, value in conf.items() if key.endswith("_action")}
    assert not actions & {"SUSPEND", "HALT", "SINGLE", "KEEP_LOGS"}


def test_updates_are_security_updates_and_nothing_restarts_by_itself() -> None:
    text = render_apt(UpdatesSettings())
    origins = re.findall(r'"(origin=[^"]+)"', text)
    assert origins
    assert all("security" in origin.lower() for origin in origins)
    # A host with Ubuntu Pro has two archives more, after the fifth year alone.
    assert {"origin=UbuntuESMApps", "origin=UbuntuESM"} <= {origin.split(",")[0] for origin in origins}
    assert 'Automatic-Reboot "false"' in text
    assert text.count('"true"') == 1  # MinimalSteps


def test_packages_that_restart_the_network_are_held_back_with_the_sites_own() -> None:
    text = render_apt(UpdatesSettings(hold_back=("libstdc++6",)))
    held = re.findall(r'"(.+\$)";', text)
    assert [pattern for pattern in held if re.match(pattern, "libstdc++6")] == [r"libstdc\+\+6$"]
    for name in RESTARTS_THE_NETWORK:
        assert sum(bool(re.match(pattern, name)) for pattern in held) == 1
    assert not any(re.match(pattern, "systemd-resolved") for pattern in held)


@pytest.mark.parametrize(
    ("later", "found"),
    [
        ("", []),
        (
            'Unattended-Upgrade::Allowed-Origins { "all:all"; };',
            ['no other\tUnattended-Upgrade::Allowed-Origins:: "all:all";'],
        ),
        (
            "#clear Unattended-Upgrade::Package-Blacklist;",
            [
                f'Unattended-Upgrade::Package-Blacklist:: "{name}";\tabsent'
                for name in ("dhcpcd$", "ifupdown$", "netplan\\.io$", "network-manager$", "systemd$")
            ],
        ),
    ],
)
def test_a_later_file_that_changes_what_is_installed_is_named(
    tmp_path: Path, later: str, found: list[str]
) -> None:
    if shutil.which("apt-config") is None:
        pytest.skip("no apt here")
    settings = UpdatesSettings()
    (tmp_path / "apt.conf").write_text(f"{render_apt(settings)}{later}\n")
    programs = {
        "systemctl": 'case "$1" in is-active) echo active ;; is-enabled) echo enabled ;; esac',
        "apt-config": f"command apt-config -c {tmp_path}/apt.conf dump",
    }
    assert verified(updates(settings), tmp_path, programs).splitlines() == [
        f"updates lists\t{one}\t" for one in found
    ]


@pytest.mark.parametrize(
    ("hours", "found"), [(0, []), (2, ["time-sync clock\tsynchronised\tnot synchronised\t"])]
)
def test_a_clock_that_no_server_has_set_for_long_is_named_by_an_audit(
    tmp_path: Path, hours: int, found: list[str]
) -> None:
    programs = {
        "systemctl": f"""case "$*" in
            *ActiveEnterTimestamp*) date -u -d '{hours} hours ago' ;;
            *is-enabled*chrony*|*is-enabled*ntp*) return 1 ;;
            is-enabled*) echo enabled ;;
            is-active*) echo active ;;
        esac""",
        "timedatectl": "echo no",
    }
    assert verified(time_sync(TimeSyncSettings()), tmp_path, programs).splitlines() == found


def test_a_clock_daemon_that_is_switched_off_is_named_and_switched_on_and_given_back_so(
    tmp_path: Path,
) -> None:
    unit = tmp_path / "units/chrony.service"
    unit.parent.mkdir()
    unit.touch()
    state = tmp_path / "enabled"
    systemctl = f"""case "$*" in
        *timesyncd*) [ "$1" != enable ] || return 1 ;;
        "--quiet is-enabled chrony"*) [ -e {state} ] ;;
        "is-enabled chrony"*) if [ -e {state} ]; then echo enabled; else echo masked; return 1; fi ;;
        "is-active chrony"*) if [ -e {state} ]; then echo active; else echo inactive; return 3; fi ;;
        "--quiet enable chrony"*) touch {state} ;;
        "--quiet mask --now chrony"*) rm {state} ;;
        *is-enabled*) return 1 ;;
    esac"""
    change = time_sync(TimeSyncSettings())
    pieces = {name: getattr(change, name) for name in ("functions", "record", "apply", "verify", "revert")}
    pieces = {
        name: text.replace("/usr/lib/systemd/system", str(unit.parent)) for name, text in pieces.items()
    }
    only = HostChange("time-sync", "a test", **pieces)
    found = verified(only, tmp_path / "state", {"systemctl": systemctl})
    assert "time-sync at boot\tchrony.service enabled\tmasked" in found
    script = guarded(render_script([only], "tests", state=str(tmp_path / "state")))
    environment = {**os.environ, "BASH_FUNC_systemctl%%": f"() {{ {systemctl}\n}}"}
    for verb, there in (("apply", True), ("revert", False)):
        subprocess.run(["bash", "-s", "--", verb], input=script, env=environment, text=True, check=True)
        assert state.exists() is there


def test_what_pods_depend_on_is_never_restarted_after_an_update() -> None:
    change = updates(UpdatesSettings())
    needrestart = _content(change, "/etc/needrestart/conf.d/90-a1.conf")
    assert "qr(^k3s)} = 0;" in needrestart
    assert "qr(^systemd-networkd)} = 0;" in needrestart
    assert "ManageForeignRoutes=no" in _content(change, "/etc/systemd/networkd.conf.d/90-a1.conf")


def test_a_host_with_another_clock_daemon_keeps_it_and_gets_no_second_one() -> None:
    (packages,) = time_sync(TimeSyncSettings()).packages
    assert packages.startswith("systemd-timesyncd|")
    assert "chrony" in packages.split("|")


def test_servers_for_the_clock_are_written_where_they_are_given() -> None:
    path = "/etc/systemd/timesyncd.conf.d/90-a1.conf"
    assert "NTP=" not in _content(time_sync(TimeSyncSettings()), path)
    given = time_sync(TimeSyncSettings(servers=("192.0.2.123", "ntp.example.org")))
    assert "NTP=192.0.2.123 ntp.example.org\n" in _content(given, path)


def test_nobody_is_locked_out_by_an_expired_password() -> None:
    assert "PASS_MAX_DAYS" not in LOGIN_DEFS
    assert all(reason for _, reason in LOGIN_DEFS.values())


def test_lines_of_login_defs_are_replaced_where_they_stand_and_put_back_to_the_byte(tmp_path: Path) -> None:
    file = tmp_path / "login.defs"
    before = "# comment\nUMASK\t\t022\nPASS_MAX_DAYS 99999\n PASS_MIN_DAYS  0\nLAST yes\n"
    file.write_text(before)
    time = file.stat().st_mtime_ns
    moved = {"/etc/login.defs": str(file), "/etc/.a1-new": str(tmp_path / ".a1-new")}
    change = login()
    pieces = {name: getattr(change, name) for name in ("functions", "record", "apply", "verify", "revert")}
    for old, new in moved.items():
        pieces = {name: text.replace(old, new) for name, text in pieces.items()}
    script = render_script([HostChange("login", "a test", **pieces)], "tests", state=str(tmp_path / "state"))

    def run(verb: str) -> str:
        command = ["bash", "-s", "--", verb]
        done = subprocess.run(command, input=guarded(script), capture_output=True, text=True, check=True)
        return done.stdout

    run("apply")
    assert file.read_text() == (
        "# comment\nUMASK 027\nPASS_MAX_DAYS 99999\nPASS_MIN_DAYS 1\nLAST yes\nSHA_CRYPT_MIN_ROUNDS 65536\n"
    )
    assert run("apply") == ""
    run("revert")
    assert file.read_text() == before
    assert file.stat().st_mtime_ns == time
