"""What a person has to take away is told before anything is written, with where it stands."""

import shutil
from pathlib import Path

import pytest

from a1platform.node.hardening.auditd import auditd
from a1platform.node.hardening.sshd import sshd
from a1platform.node.hardening.updates import updates
from a1platform.settings.node import UpdatesSettings
from tests.unit.node.answering import refused

_APT = "/etc/apt/apt.conf.d/99-local"
_MAIN = "/etc/ssh/sshd_config"
_INCLUDE = "Include /etc/ssh/sshd_config.d/*.conf"


def _written(root: Path, path: str, text: str) -> None:
    file = root / path.removeprefix("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", ""),
        ('Unattended-Upgrade::Origins-Pattern { "origin=Site"; };', "no other\tUnattended-Upgrade"),
        ('APT::Periodic { Unattended-Upgrade "0"; };', "APT::Periodic::Unattended-Upgrade\t1\t0"),
    ],
)
def test_a_later_file_of_apt_that_wins_is_refused(tmp_path: Path, line: str, told: str) -> None:
    if shutil.which("apt-config") is None:
        pytest.skip("no apt here")
    _written(tmp_path, _APT, f"// The site.\n{line}\n")
    found = refused(updates(UpdatesSettings()), tmp_path, {})
    assert told in found
    assert (f"{_APT}:2:{line}" in found) == bool(line)
    assert bool(found) == bool(line)


@pytest.mark.parametrize(
    ("text", "live", "told"),
    [
        ("-D\n-b 8192\n", "-a never,task", ""),
        ("-b 8192\n", "-a never,task", "\n-a never,task\n"),
        ("-D\n-a never,task\n", "", "/etc/audit/rules.d/10-site.rules:2:-a never,task\n"),
        ("-A exit,never -F dir=/srv\n", "", "/etc/audit/rules.d/10-site.rules:1:-A exit,never"),
        ("-a always,exit -F dir=/never\n", "", ""),
        (
            "-a always,exclude -F msgtype=SYSCALL\n",
            "",
            "10-site.rules:1:-a always,exclude -F msgtype=SYSCALL",
        ),
        ("-A exclude,always -F msgtype>=1300\n", "", "10-site.rules:1:-A exclude,always"),
        ("-b 8192\n", "-a always,exclude -F msgtype!=CWD", "\n-a always,exclude -F msgtype!=CWD\n"),
        ("-a always,exclude -F msgtype=CWD\n-a exclude,never -F msgtype=EOE\n", "", ""),
        ("-b 8192\n", "-a never,exclude -F msgtype=PROCTITLE", ""),
    ],
)
def test_a_rule_of_the_site_that_keeps_from_recording_is_refused_unless_the_load_takes_it_away(
    tmp_path: Path, text: str, live: str, told: str
) -> None:
    _written(tmp_path, "/etc/audit/rules.d/10-site.rules", text)
    found = refused(auditd(), tmp_path, {"auditctl": f'case "$1" in -l) echo "{live}" ;; esac'})
    assert told in found
    assert bool(found) == bool(told)


@pytest.mark.parametrize(
    ("main", "files", "told"),
    [
        (f"{_INCLUDE}\nPasswordAuthentication yes\n", {}, ""),
        (f"{_INCLUDE}\n", {"99-site": "PasswordAuthentication yes\n"}, ""),
        (f"PasswordAuthentication yes\n{_INCLUDE}\n", {}, f"{_MAIN}:1:PasswordAuthentication yes"),
        (f"{_INCLUDE}\n", {"00-0": "X11Forwarding yes\n"}, "/00-0.conf:1:X11Forwarding yes"),
        # What is in front of ours in a file, sshd reads first, and of our own of before nothing counts.
        (f"{_INCLUDE}\n", {"00-a1": "PasswordAuthentication yes\n"}, ""),
    ],
)
def test_a_line_that_sshd_reads_before_our_file_is_refused(
    tmp_path: Path, main: str, files: dict[str, str], told: str
) -> None:
    _written(tmp_path, _MAIN, main)
    for name, text in files.items():
        _written(tmp_path, f"/etc/ssh/sshd_config.d/{name}.conf", text)
    # As sshd does: the first value of a keyword, and files where they are included.
    programs = {
        "systemctl": ":",
        "mkdir": '[ "$*" = "-p /run/sshd" ] || command mkdir "$@"',
        "sshd": f"""
            one() {{
                local line file
                while read -r line; do
                    case "$line" in
                    Include*) for file in ${{line#* }}; do [ ! -e "$file" ] || one "$file"; done ;;
                    [A-Z]*) printf '%s\\n' "$line" ;;
                    esac
                done <"$1"
            }}
            [ "$1" != -t ] || return 0
            one "${{@: -1}}" | sed "s#{tmp_path}##" | awk '!seen[$1]++ {{ $1 = tolower($1); print }}'""",
    }
    found = refused(sshd("ops"), tmp_path, programs)
    assert told in found
    assert bool(found) == bool(told)
