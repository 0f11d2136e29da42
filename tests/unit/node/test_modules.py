"""Kernel modules: a refused one that is loaded, or that the site has loaded, does not stay unseen."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from a1platform.node.hardening.modules import REFUSED, modules
from a1platform.node.host_change import HostChange, render_script
from a1platform.node.shell import guarded
from a1platform.settings.node import HardeningSettings
from tests.unit.node.answering import refused, verified

_SITE = "/etc/modprobe.d/00-site.conf"
_UNKNOWN = {"modinfo": "return 1"}
# As modprobe does: what a module needs comes first, then what its own first line says.
_FINE = 'echo "insmod /lib/modules/1/crc-itu-t.ko"; echo "install /bin/false "'
_MODPROBE = f"""case "$*" in
    *--show-depends\\ rds) echo "install /sbin/modprobe --ignore-install rds " ;;
    *--show-depends*) {_FINE} ;;
esac"""


@pytest.fixture
def change(tmp_path: Path) -> HostChange:
    """The concern on a host whose kernel a test makes up."""
    found = modules(HardeningSettings())
    pieces = {name: getattr(found, name) for name in ("functions", "check", "record", "apply", "verify")}
    moved = {name: text.replace("/sys/", f"{tmp_path}/sys/") for name, text in pieces.items()}
    return replace(found, **moved)


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Path]:
    """A function that loads a module into that kernel."""

    def loaded(name: str, used: str = "0") -> Path:
        folder = tmp_path / "sys/module" / name
        folder.mkdir(parents=True)
        (folder / "initstate").write_text("live\n")
        if used:
            (folder / "refcnt").write_text(f"{used}\n")
        return folder

    return loaded


@pytest.mark.parametrize(("used", "found"), [("0", "loaded"), ("2", "loaded and in use")])
def test_a_refused_module_that_is_loaded_is_named(
    tmp_path: Path, change: HostChange, load: Callable[..., Path], used: str, found: str
) -> None:
    load("firewire_ohci", used)
    said = verified(change, tmp_path, {**_UNKNOWN, "modprobe": _FINE})
    assert said == f"modules firewire-ohci\tabsent\t{found}\t\n"


def test_a_refused_module_that_is_part_of_the_kernel_itself_is_nobodys_to_unload(
    tmp_path: Path, change: HostChange
) -> None:
    (tmp_path / "sys/module/tipc/parameters").mkdir(parents=True)
    assert verified(change, tmp_path, {**_UNKNOWN, "modprobe": _FINE}) == ""


@pytest.mark.parametrize("used", ["1", ""])
def test_a_refused_module_that_something_uses_is_for_a_person_to_end_before_anything_is_written(
    tmp_path: Path, change: HostChange, load: Callable[..., Path], used: str
) -> None:
    load("udf", used)
    load("cramfs")
    said = refused(change, tmp_path, {"modprobe": _FINE})
    assert "modules: found loaded and in use, though refused: udf, expected none" in said


def test_a_bus_is_in_use_while_something_hangs_on_it(
    tmp_path: Path, change: HostChange, load: Callable[..., Path]
) -> None:
    load("firewire_ohci")
    for name, local in (("fw0", "1\n"), ("fw1", "0\n")):
        assert refused(change, tmp_path, {"modprobe": _FINE}) == ""
        device = tmp_path / "sys/bus/firewire/devices" / name
        device.mkdir(parents=True)
        (device / "is_local").write_text(local)
    assert "in use, though refused: firewire-ohci," in refused(change, tmp_path, {"modprobe": _FINE})


@pytest.mark.parametrize(
    ("did", "found"),
    [
        ("install /bin/false ", ""),
        ("install /usr/bin/true option=1", ""),
        ("builtin rds", ""),
        ("", ""),
        ("install /bin/true; insmod /srv/rds.ko", "install /bin/true; insmod /srv/rds.ko"),
        ("insmod /lib/modules/1/rds.ko.xz ", "insmod /lib/modules/1/rds.ko.xz "),
    ],
)
def test_what_modprobe_would_do_instead_of_refusing_is_named(
    tmp_path: Path, change: HostChange, did: str, found: str
) -> None:
    programs = {**_UNKNOWN, "modprobe": f'case "$*" in *" rds") echo "{did}" ;; *) {_FINE} ;; esac'}
    said = verified(change, tmp_path, programs)
    assert said == (f"modules rds\tinstall /bin/false\t{found}\t\n" if found else "")


def test_a_line_of_the_site_that_wins_over_ours_is_refused_with_where_it_stands(
    tmp_path: Path, change: HostChange
) -> None:
    assert refused(change, tmp_path, {"modprobe": _FINE}) == ""
    file = tmp_path / _SITE.removeprefix("/")
    file.parent.mkdir(parents=True)
    did = "/sbin/modprobe --ignore-install rds"
    line = f"install rds {did}"
    file.write_text(f"# The site.\n{line}\n")
    # Of our own of before nothing counts.
    (file.parent / "90-a1.conf").write_text(line)
    said = refused(change, tmp_path, {"modprobe": _MODPROBE})
    assert said.splitlines()[1:] == [f"rds: install {did} ", f"{_SITE}:2:{line}"]


def test_our_file_is_judged_among_the_sites_before_it_is_written(tmp_path: Path, change: HostChange) -> None:
    told = tmp_path / "told"
    refused(change, tmp_path, {"modprobe": f'echo "$*" >>{told}; cat "$2/90-a1.conf" >{told}.file'})
    options = told.read_text().splitlines()[0].split()
    assert options[0] == "-C"
    assert options[2:4] == ["-C", f"{tmp_path}/etc/modprobe.d"]
    assert options[-2:] == ["--show-depends", REFUSED[0]]
    assert f"install {REFUSED[0]} /bin/false\n" in Path(f"{told}.file").read_text()


def test_an_unused_refused_module_is_unloaded_and_given_back(
    tmp_path: Path, change: HostChange, load: Callable[..., Path]
) -> None:
    folder = load("cramfs")
    modprobe = f"""case "$*" in
        *--show-depends*) {_FINE} ;;
        "-q -r -- cramfs") rm {folder}/* && rmdir {folder} ;;
        *) echo "$*" >>{tmp_path}/told ;;
    esac"""
    only = replace(change, files=())
    script = guarded(render_script([only], "tests", state=str(tmp_path / "state")))
    programs = {**_UNKNOWN, "modprobe": modprobe}
    environment = {**os.environ, **{f"BASH_FUNC_{one}%%": f"() {{ {do}\n}}" for one, do in programs.items()}}
    for verb in ("apply", "verify", "revert"):
        subprocess.run(["bash", "-s", "--", verb], input=script, env=environment, text=True, check=True)
        assert not folder.exists()
    told = (tmp_path / "told").read_text().splitlines()
    assert [line for line in told if any(name in line for name in REFUSED)] == ["-q -- cramfs"]


def test_where_the_kernel_is_shared_its_modules_are_neither_judged_nor_touched() -> None:
    change = modules(HardeningSettings(kernel="shared"))
    assert {change.check, change.record, change.apply, change.verify, change.revert} == {":"}
