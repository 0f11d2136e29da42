"""Host changes run for real here, against files and records in a temporary folder."""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from a1platform.node.hardening import changes
from a1platform.node.host_change import (
    HostChange,
    HostFile,
    render_script,
)
from a1platform.node.shell import guarded
from a1platform.settings.node import HardeningSettings
from a1platform.settings.peers import Peers
from tests.shell import shellcheck

_USER = pwd.getpwuid(os.getuid()).pw_name
_OWNER = f"{_USER}:{_USER}"
_EXACT = "found: $(backticks `too`) \"double\" 'single' \\ back\tslash\n"


class Host:
    """A folder that stands for a host."""

    def __init__(self, root: Path) -> None:
        """Make it as bare as a host gets."""
        self.root = root
        self.state = root / "state"
        (root / "etc").mkdir()

    def change(self, *contents: tuple[str, str], **pieces: Any) -> HostChange:  # noqa: ANN401 - any field
        """A change with files below etc/."""
        files = tuple(
            HostFile(str(self.root / "etc" / path), text, "0640", _OWNER) for path, text in contents
        )
        return HostChange("example", "a test", files, **pieces)

    def run(
        self, verb: str, *declared: HostChange, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the script that declares these changes."""
        script = guarded(render_script(declared, "tests", state=str(self.state)))
        return subprocess.run(
            ["bash", "-s", "--", verb],
            input=script,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )

    def tree(self) -> dict[str, tuple[str, int, int]]:
        """Everything that is there: content, mode and time of change."""
        return {
            str(path.relative_to(self.root)): (
                path.read_text() if path.is_file() else "",
                stat.S_IMODE(path.lstat().st_mode),
                path.lstat().st_mtime_ns if path.is_file() else 0,
            )
            for path in sorted(self.root.rglob("*"))
        }


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_apply_writes_content_and_mode_exactly(host: Host) -> None:
    assert host.run("apply", host.change(("a.conf", _EXACT))).returncode == 0
    written = host.root / "etc/a.conf"
    assert written.read_text() == _EXACT
    assert stat.S_IMODE(written.stat().st_mode) == 0o640


def test_a_second_apply_changes_nothing_and_does_not_run_the_apply_piece(host: Host) -> None:
    change = host.change(("a.conf", "one\n"), apply=f"echo ran >>{host.root}/runs")
    host.run("apply", change)
    before = host.tree()
    again = host.run("apply", change)
    assert (again.returncode, again.stdout) == (0, "")
    assert host.tree() == before


def test_revert_restores_content_mode_and_time_of_an_earlier_file(host: Host) -> None:
    earlier = host.root / "etc/a.conf"
    earlier.write_text("the operator's own\n")
    earlier.chmod(0o604)
    before = host.tree()
    change = host.change(("a.conf", "ours\n"), ("new/deep/b.conf", "ours\n"))
    host.run("apply", change)
    host.run(
        "apply", replace(change, files=(replace(change.files[0], content="ours again\n"), change.files[1]))
    )
    assert host.run("revert", change).returncode == 0
    assert host.tree() == before


@pytest.mark.parametrize("paths", [("new/a", "new/z"), ("new/z", "new/a")])
def test_a_folder_that_several_files_came_into_goes_with_the_last_of_them(
    host: Host, paths: tuple[str, ...]
) -> None:
    before = host.tree()
    change = host.change(*((path, "ours\n") for path in paths))
    host.run("apply", change)
    assert host.run("revert", change).returncode == 0
    assert host.tree() == before


def test_a_folder_of_two_changes_goes_with_the_last_whichever_that_is(host: Host) -> None:
    before = host.tree()
    first = host.change(("new/a", "ours\n"))
    second = replace(host.change(("new/z", "ours\n")), name="second")
    host.run("apply", first, second)
    host.run("apply", second)
    assert (host.root / "etc/new/z").exists()
    assert host.run("revert", second).returncode == 0
    assert host.tree() == before


def test_revert_of_an_untouched_host_does_nothing(host: Host) -> None:
    before = host.tree()
    assert host.run("revert", host.change(("a.conf", "one\n"))).returncode == 0
    assert host.tree() == before


def test_a_file_that_a_change_no_longer_declares_is_restored(host: Host) -> None:
    earlier = host.root / "etc/a.conf"
    earlier.write_text("earlier\n")
    host.run("apply", host.change(("a.conf", "ours\n"), ("b.conf", "ours\n")))
    host.run("apply", host.change(("b.conf", "ours\n")))
    assert earlier.read_text() == "earlier\n"


def test_a_change_that_is_no_longer_declared_is_reverted_by_what_the_host_keeps(host: Host) -> None:
    before = host.tree()
    change = host.change(("a.conf", "ours\n"), revert=f"touch {host.root}/live-state-is-back")
    host.run("apply", change)
    assert host.run("apply").returncode == 0
    (host.root / "live-state-is-back").unlink()
    assert host.tree() == before


def test_changes_of_another_group_are_left_alone(host: Host) -> None:
    host.run("apply", host.change(("a.conf", "ours\n")))
    other = guarded(render_script([], "others", state=str(host.state)))
    subprocess.run(["bash", "-s", "--", "apply"], input=other, text=True, check=True)
    assert (host.root / "etc/a.conf").exists()


@pytest.mark.parametrize(
    ("tamper", "deviation"),
    [
        ("rm -f a.conf", "a file\tabsent"),
        ("echo more >>a.conf", "content sha256"),
        ("printf one >a.conf", "content sha256"),
        ("printf '\\n' >>a.conf", "content sha256"),
        ("printf '\\0' >>a.conf", "content sha256"),
        (": >a.conf", "content sha256"),
        ("chmod 600 a.conf", f"mode and owner 640 {_OWNER}\tmode and owner 600 {_OWNER}"),
        ("mv a.conf x && ln -s x a.conf", "a file\tno plain file"),
    ],
)
def test_verify_names_what_was_tampered_with_and_apply_repairs_it(
    host: Host, tamper: str, deviation: str
) -> None:
    change = host.change(("a.conf", "one\n"))
    host.run("apply", change)
    subprocess.run(["bash", "-c", tamper], cwd=host.root / "etc", check=True)
    answer = host.run("verify", change)
    assert answer.returncode == 1
    assert deviation in answer.stdout
    assert answer.stdout.count("\n") == 1
    assert host.run("apply", change).returncode == 0
    assert host.run("verify", change).stdout == ""


def test_a_package_that_is_gone_is_a_deviation_unless_another_will_do(host: Host) -> None:
    if shutil.which("dpkg-query") is None:
        pytest.skip("no packages of Debian here")
    there, gone = "dpkg|no-such-package", "no-such-package|nor-this-one"
    answer = host.run("verify", HostChange("example", "a test", packages=(there, gone)))
    assert (answer.returncode, answer.stdout) == (
        1,
        "example package no-such-package\tinstalled\tabsent\t\n",
    )


def _packages_of(host: Host, *, outdated: bool) -> dict[str, str]:
    """Return an apt whose package starts a service, and which finds it only in an index of today."""
    known = "[ -e updated ]" if outdated else "true"
    return {
        "BASH_FUNC_dpkg-query%%": f"() {{ cat {host.root}/installed 2>/dev/null; }}",
        "BASH_FUNC_apt-get%%": f"""() {{
            cd {host.root}
            case "$*" in
            *--simulate*) echo "Inst served (1.0 here)" ;;
            *" update") touch updated; echo >>updates ;;
            *" install "*)
                if ! {known}; then echo "404 Not Found"; return 100; fi
                echo "served installed" >installed
                touch running
                ;;
            esac
        }}""",
    }


def test_an_index_that_is_out_of_date_is_read_anew_once(host: Host) -> None:
    change = HostChange("example", "a test", packages=("served",))
    answer = host.run("apply", change, environment=_packages_of(host, outdated=True))
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "installed\texample\tserved\n" in answer.stdout
    assert (host.root / "updates").read_text() == "\n"


def test_a_package_that_cannot_be_had_is_told_and_what_began_is_undone(host: Host) -> None:
    before = host.tree()
    change = HostChange("example", "a test", packages=("served",))
    never = _packages_of(host, outdated=True)
    never["BASH_FUNC_apt-get%%"] = never["BASH_FUNC_apt-get%%"].replace("touch updated; ", "")
    answer = host.run("apply", change, environment=never)
    assert answer.returncode == 1
    assert "example: could not install served, expected to: 404 Not Found" in answer.stderr
    (host.root / "updates").unlink()
    assert host.run("revert", change, environment=never).returncode == 0
    assert host.tree() == before


def test_what_a_package_starts_is_not_taken_for_what_was_there_before(host: Host) -> None:
    asked = f'a1_remember example active "$(ls {host.root}/running 2>/dev/null || true)"'
    change = HostChange("example", "a test", packages=("served",), record=asked)
    assert host.run("apply", change, environment=_packages_of(host, outdated=False)).returncode == 0
    assert (host.root / "running").exists()
    assert (host.state / "example/live/active").read_text() == "\n"


def test_a_package_that_cannot_be_removed_is_told(host: Host) -> None:
    programs = {
        "BASH_FUNC_dpkg-query%%": "() { echo no-such-package installed; }",
        "BASH_FUNC_apt-get%%": '() { [[ " $* " == *" --simulate "* ]] || { echo locked; return 100; }; }',
    }
    change = host.change(("a.conf", "one\n"))
    host.run("apply", change)
    (host.state / "example/packages").write_text("no-such-package\n")
    answer = host.run("revert", change, environment=programs)
    assert answer.returncode == 1
    assert "example: could not remove no-such-package: locked" in answer.stderr


def test_a_file_that_was_a_link_is_one_again_after_revert(host: Host) -> None:
    link = host.root / "etc/a.conf"
    link.symlink_to("elsewhere")
    change = host.change(("a.conf", "ours\n"))
    host.run("apply", change)
    assert not link.is_symlink()
    assert host.run("revert", change).returncode == 0
    assert link.readlink() == Path("elsewhere")


@pytest.mark.parametrize("removal", [3, 4, 6, 9])
def test_a_revert_that_is_cut_while_it_removes_a_record_is_completed_by_the_next(
    host: Host, removal: int
) -> None:
    earlier = host.root / "etc/a.conf"
    earlier.write_text("the operator's own\n")
    change = host.change(("a.conf", "ours\n"), ("b.conf", "ours\n"))
    host.run("apply", change)
    # Of a folder that it removes a part is gone already when the host loses its power.
    cut = f"""() {{
        echo >>{host.root}/removals
        if [ "$(wc -l <{host.root}/removals)" = {removal} ]; then
            find "${{@: -1}}" '(' -name original -o -name revert ')' -delete || true
            kill -9 $$
        fi
        command rm "$@"
    }}"""
    assert host.run("revert", change, environment={"BASH_FUNC_rm%%": cut}).returncode != 0
    again = host.run("revert", change)
    assert (again.returncode, again.stderr) == (0, "")
    assert earlier.read_text() == "the operator's own\n"
    assert not (host.root / "etc/b.conf").exists()


def test_a_refused_check_writes_nothing(host: Host) -> None:
    before = host.tree()
    change = host.change(
        ("a.conf", "bad\n"), check=f'a1_fail "refused: $(cat "$a1_staged{host.root}/etc/a.conf")"'
    )
    answer = host.run("apply", change)
    assert answer.returncode == 1
    assert "refused: bad" in answer.stderr
    host.run("revert", change)
    assert host.tree() == before


def test_an_apply_that_was_cut_is_completed_by_the_next(host: Host) -> None:
    flag = host.root / "flag"
    cut = host.change(("a.conf", "one\n"), apply=f"[ -e {flag} ] && echo ran >>{host.root}/runs")
    assert host.run("apply", cut).returncode != 0
    flag.touch()
    assert host.run("apply", cut).returncode == 0
    assert (host.root / "runs").read_text() == "ran\n"


def test_apply_fails_when_the_change_is_not_in_force_afterwards(host: Host) -> None:
    change = host.change(("a.conf", "one\n"), verify='a1_deviation "example live" on off')
    answer = host.run("apply", change)
    assert answer.returncode == 1
    assert "example live\ton\toff" in answer.stderr


def test_a_script_that_arrives_only_in_part_runs_nothing(host: Host) -> None:
    script = guarded(render_script([host.change(("a.conf", "one\n"))], "tests", state=str(host.state)))
    for share in (0.3, 0.6, 0.99):
        part = script[: int(len(script) * share)]
        subprocess.run(["bash", "-s", "--", "apply"], input=part, text=True, check=False, capture_output=True)
    assert not (host.root / "etc/a.conf").exists()


@pytest.mark.parametrize("kernel", ["own", "shared"])
@pytest.mark.parametrize("user", ["root", "ops"])
def test_every_script_passes_shellcheck(kernel: str, user: str) -> None:
    settings = {"kernel": kernel, "logEndpoint": {"host": "logs.example.org"}}
    declared = changes(
        HardeningSettings.model_validate(settings), user, Peers(("192.0.2.7",), ("192.0.2.7",))
    )
    assert shellcheck(render_script(declared, "hardening")) == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [("path", "etc/a"), ("path", "/etc/100%"), ("content", "no break"), ("mode", "644"), ("owner", "root")],
)
def test_a_file_that_could_not_be_carried_exactly_is_refused(field: str, value: str) -> None:
    fields = {"path": "/etc/a", "content": "a\n", "mode": "0644", "owner": "root:root", field: value}
    with pytest.raises(ValueError, match="expected"):
        HostFile(**fields)
