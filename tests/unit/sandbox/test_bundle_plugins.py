"""Pulumi's programs go into a bundle, and come out of it where a machine has none."""

import json
import stat
from pathlib import Path

import pytest

from a1platform.bundle import BundleError, load
from sandbox import bundle_list
from sandbox.bundle_list import remove_unlisted
from sandbox.bundle_plugins import add_plugins
from sandbox.cache import Cache
from sandbox.toolchain import Installed, Releases, Toolchain, ensure
from sandbox.toolchain.parts import PARTS
from tests.unit.sandbox.conftest import Builds, ReleaseServer

NOWHERE = Releases("http://127.0.0.1:1")
FILES = [name for part in PARTS for name in part.files]
RECIPES = [recipe.name for part in PARTS for recipe in part.recipes]


def toolchain(root: Path, *, stand_in: bool = False) -> Toolchain:
    """Return a toolchain of made up programs, the last of which can be a stand-in."""
    parts = []
    for part in PARTS:
        folder = root / part.folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in part.files:
            if not (folder / name).exists():
                (folder / name).write_text(f"official {name}")
        is_stand_in = part.stand_in and stand_in
        parts.append(Installed(part.name, part.version, folder, "official release", is_stand_in))
    return Toolchain(tuple(parts), root, root)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle that was made on another machine."""
    made = tmp_path / "site" / "bundle"
    add_plugins(made, toolchain(tmp_path / "elsewhere"))
    return made


def test_pulumis_programs_are_second_names_of_the_same_files_and_listed(folder: Path, tmp_path: Path) -> None:
    bundle = load(folder)
    bundle.verify(thorough=True)
    assert [plugin.name for plugin in bundle.plugins] == FILES
    command = bundle.plugins[-1]
    assert command.path == folder / "plugins" / "resource-command-v1.2.1" / "pulumi-resource-command"
    assert command.path.samefile(tmp_path / "elsewhere" / PARTS[-1].folder / command.name)
    assert (command.version, command.origin) == ("1.2.1", "official release")


def test_a_program_that_is_there_is_not_read_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_list, "file_digest", pytest.fail)
    add_plugins(folder, toolchain(tmp_path / "elsewhere"))
    load(folder).verify(thorough=True)


def test_a_copy_on_another_file_system_is_not_written_again(folder: Path, tmp_path: Path) -> None:
    again = toolchain(tmp_path / "copies")
    before = [plugin.path.stat().st_ino for plugin in load(folder).plugins]
    add_plugins(folder, again)
    assert [plugin.path.stat().st_ino for plugin in load(folder).plugins] == before


def test_a_program_that_was_changed_in_its_place_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    theirs = toolchain(tmp_path / "elsewhere")
    path = load(folder).plugins[0].path
    path.write_text("another program")
    with pytest.raises(BundleError, match=f"{path} is not the file that bundle.json describes"):
        load(folder).verify()
    with pytest.raises(BundleError, match=f"{path} is not the file .*; remove "):
        add_plugins(folder, theirs)


def test_the_stand_in_is_never_put_into_a_bundle_and_the_list_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    left_out = add_plugins(folder, toolchain(tmp_path / "here", stand_in=True))
    bundle = load(folder)
    assert "pulumi-resource-command" not in {plugin.name for plugin in bundle.plugins}
    assert "test equipment" in bundle.left_out["command plugin"]
    assert left_out == {"command plugin": bundle.left_out["command plugin"]}
    add_plugins(folder, toolchain(tmp_path / "here"))
    assert "command plugin" not in load(folder).left_out
    assert [plugin.name for plugin in load(folder).plugins] == FILES


def test_the_official_plugin_in_a_bundle_stays_where_only_the_stand_in_is_here(
    folder: Path, tmp_path: Path
) -> None:
    assert add_plugins(folder, toolchain(tmp_path / "here", stand_in=True)) == {}
    assert [plugin.name for plugin in load(folder).plugins] == FILES


def test_a_program_that_the_list_names_no_more_is_removed(folder: Path) -> None:
    older = folder / "plugins" / "resource-command-v1.2.0" / "pulumi-resource-command"
    older.parent.mkdir()
    older.touch()
    remove_unlisted(folder)
    assert not older.parent.exists()
    load(folder).verify(thorough=True)


def test_parts_come_from_the_bundle_and_a_second_run_says_nothing(
    folder: Path, server: ReleaseServer, cache: Cache, builds: Builds, lines: list[str]
) -> None:
    made = ensure(cache, lines.append, server.releases, bundle=load(folder))
    assert all(part.origin.startswith("from the bundle, sha256 ") for part in made.parts)
    assert [str(part) for part in made.parts] == lines
    assert made.pulumi.read_text() == "official pulumi"
    assert made.pulumi.stat().st_mode & stat.S_IXUSR
    assert (server.asked, builds.asked) == ([], [])
    lines.clear()
    assert ensure(cache, lines.append, server.releases, bundle=load(folder)) == made
    assert lines == []


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_program_is_refused_by_name_and_nothing_is_taken_in_its_place(
    folder: Path, cache: Cache, builds: Builds, lines: list[str], damage: str
) -> None:
    path = load(folder).plugins[-1].path
    path.unlink()
    if damage == "changed":
        path.write_text("another program")
    with pytest.raises(BundleError, match=f"{path} is (missing|not the file that bundle.json describes)"):
        ensure(cache, lines.append, NOWHERE, bundle=load(folder))
    assert builds.asked == []
    assert not (cache.root / PARTS[-1].folder).exists()


def test_what_is_there_already_comes_before_the_bundle(
    folder: Path, cache: Cache, builds: Builds, lines: list[str]
) -> None:
    ensure(cache, lines.append, NOWHERE)
    parts = ensure(cache, lines.append, NOWHERE, bundle=load(folder)).parts
    assert builds.asked == RECIPES
    assert ["built" in part.origin for part in parts] == [True, True, False]


def test_the_stand_in_gives_way_at_once_to_the_official_plugin_of_a_bundle(
    folder: Path, cache: Cache, lines: list[str]
) -> None:
    assert ensure(cache, lines.append, NOWHERE).parts[-1].stand_in
    command = ensure(cache, lines.append, NOWHERE, bundle=load(folder)).parts[-1]
    assert not command.stand_in
    assert (command.folder / "pulumi-resource-command").read_text() == "official pulumi-resource-command"


def test_what_a_bundle_lacks_is_told_with_its_reason_where_it_is_built_instead(
    tmp_path: Path, cache: Cache, lines: list[str]
) -> None:
    folder = tmp_path / "bundle"
    add_plugins(folder, toolchain(tmp_path / "elsewhere", stand_in=True))
    assert ensure(cache, lines.append, NOWHERE, bundle=load(folder)).parts[-1].stand_in
    told = [line for line in lines if "not in the bundle" in line]
    assert len(told) == 1
    assert "command plugin 1.2.1: not in the bundle (only the stand-in" in told[0]
    assert "no official release" in told[0]


@pytest.mark.parametrize("another", [{"machine": "riscv64"}, {"version": "0.0.1"}])
def test_programs_of_another_machine_or_version_are_not_taken(
    folder: Path, cache: Cache, builds: Builds, lines: list[str], another: dict[str, str]
) -> None:
    listed = json.loads((folder / "bundle.json").read_text())
    listed["plugins"] = [{**entry, **another} for entry in listed["plugins"]]
    (folder / "bundle.json").write_text(json.dumps(listed))
    ensure(cache, lines.append, NOWHERE, bundle=load(folder))
    assert builds.asked == RECIPES


def test_a_bundle_of_before_has_no_programs_and_is_read(folder: Path) -> None:
    listed = json.loads((folder / "bundle.json").read_text())
    del listed["plugins"]
    (folder / "bundle.json").write_text(json.dumps(listed))
    bundle = load(folder)
    assert bundle.plugins == ()
    bundle.verify(thorough=True)
