"""What sshd really does, which its own file does not decide alone: its options and Match blocks win."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from a1platform.node.hardening.sshd import sshd
from a1platform.node.host_change import HostChange
from tests.unit.node.answering import verified

_TITLE = "sshd: /usr/sbin/sshd {} [listener] 0 of 10-100 startups"
_UNIT = "{{ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd {} $SSHD_OPTS ; ignore_errors=no ; pid=1 }}"
_KEYWORDS = (
    f"{line.split(' ', 1)[0].lower()} {line.split(' ', 1)[1]}"
    for line in sshd("ops").files[0].content.splitlines()
    if not line.startswith("#")
)
_DECLARED = "\n".join(_KEYWORDS)
Asked = Callable[..., tuple[str, str]]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Asked]:
    """A function that has a host verified, and returns the deviations and what sshd was asked with."""
    running: list[subprocess.Popen[bytes]] = []

    def answer(
        *, title: str = "-D", unit: str = "-D", default: str = "", effective: str = ""
    ) -> tuple[str, str]:
        (tmp_path / "default").write_text(default)
        command = f'exec -a "{_TITLE.format(title)}" sleep 60'
        running.append(subprocess.Popen(["bash", "-c", command]))
        listening = Path(f"/proc/{running[-1].pid}/cmdline")
        while b"listener" not in listening.read_bytes():
            pass
        functions = {
            "sshd": f"echo \"$*\" >>{tmp_path}/asked; cat <<'X'\n{effective or _DECLARED}\nX",
            "systemctl": f"""case "$*" in
                *MainPID*) echo {running[-1].pid} ;;
                *ExecStart*) echo '{_UNIT.format(unit)}' ;;
                *is-active*) return 1 ;;
            esac""",
        }
        change = sshd("ops")
        pieces = {name: getattr(change, name) for name in ("functions", "verify")}
        pieces = {
            name: text.replace("/etc/default/ssh", f"{tmp_path}/default") for name, text in pieces.items()
        }
        told = verified(HostChange("sshd", "a test", **pieces), tmp_path / "state", functions)
        return told, (tmp_path / "asked").read_text()

    yield answer
    for one in running:
        one.kill()
        one.wait()


def test_a_server_that_does_as_declared_is_no_deviation(ask: Asked) -> None:
    found, asked = ask()
    assert found == ""
    assert asked.split()[-2:] == ["-D", "-D"]


def test_what_wins_over_the_files_is_named(ask: Asked) -> None:
    weak = _DECLARED.replace("passwordauthentication no", "passwordauthentication yes")
    found, _ = ask(effective=weak)
    assert found == "sshd PasswordAuthentication\tno\tyes\t\n"


def test_sshd_is_asked_with_the_options_of_the_server_its_unit_and_the_distributions_file(ask: Asked) -> None:
    _, asked = ask(
        title="-D -o PermitTunnel=yes",
        unit="-D -o X11Forwarding=yes",
        default="# a comment\nSSHD_OPTS='-o PasswordAuthentication=yes -oMaxSessions 9'\n",
    )
    options = (
        "-o PermitTunnel=yes",
        "-o X11Forwarding=yes",
        "-o PasswordAuthentication=yes",
        "-oMaxSessions=9",
    )
    assert all(f"{one} " in f"{asked.strip()} " for one in options)
    assert "$" not in asked


def test_sshd_is_asked_about_somebody_whom_no_block_of_the_site_names(ask: Asked) -> None:
    _, asked = ask()
    nobody = asked.split("-C ")[1].split()[0]
    assert "user=a1-nobody," in nobody
    # Without any of them it refuses files with a block that asks for it.
    assert {one.split("=")[0] for one in nobody.split(",")} == {
        "user",
        "host",
        "addr",
        "laddr",
        "lport",
        "rdomain",
    }
