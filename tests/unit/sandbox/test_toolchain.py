"""Where the parts of the toolchain come from."""

import gzip
import io
import json
import os
import stat
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from a1platform.versions import PULUMI
from sandbox.build.go import GoRecipe
from sandbox.cache import Cache
from sandbox.toolchain import Releases, ensure, has_toolchain
from sandbox.toolchain.parts import ORIGIN_FILE, PARTS
from sandbox.toolchain.reach import ReleaseError
from sandbox.toolchain.release import WrongDigestError
from tests.unit.sandbox.conftest import Builds, ReleaseServer

NOWHERE = Releases("http://127.0.0.1:1")
COMMAND = PARTS[-1]
RECIPES = [recipe.name for part in PARTS for recipe in part.recipes]


def archive(files: tuple[str, ...]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in files:
            content = f"official {name}".encode()
            entry = tarfile.TarInfo(f"pulumi/{name}")
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0)


def publish(server: ReleaseServer) -> None:
    for part in PARTS:
        official = part.official
        files = tuple(name for other in PARTS if other.official == official for name in other.files)
        server.put(official.repository, official.tag, official.checksums, {official.file: archive(files)})


def test_parts_come_from_the_official_releases_and_a_second_run_says_and_asks_nothing(
    server: ReleaseServer, cache: Cache, builds: Builds, lines: list[str]
) -> None:
    publish(server)
    toolchain = ensure(cache, lines.append, server.releases)
    assert all("official release" in part.origin and not part.stand_in for part in toolchain.parts)
    assert all(f"{part}" in lines for part in toolchain.parts)
    assert toolchain.pulumi.read_text() == "official pulumi"
    assert toolchain.pulumi.stat().st_mode & stat.S_IXUSR
    archives = [path for _, path, _ in server.asked if path.endswith(".tar.gz")]
    assert len(archives) == len(set(archives)) == 3
    assert builds.asked == []
    asked = len(server.asked)
    lines.clear()
    start = time.monotonic()
    assert ensure(cache, lines.append, server.releases) == toolchain
    assert time.monotonic() - start < 0.3
    assert (lines, len(server.asked)) == ([], asked)


def test_it_is_known_whether_there_is_anything_to_bring(
    cache: Cache, builds: Builds, lines: list[str]
) -> None:
    assert not has_toolchain(cache)
    ensure(cache, lines.append, NOWHERE)
    assert builds.asked == RECIPES
    assert has_toolchain(cache)
    # What is only asked for again, for the official one's sake, is there.
    origin = cache.root / COMMAND.folder / ORIGIN_FILE
    origin.write_text(json.dumps({**json.loads(origin.read_text()), "asked": 0}))
    assert has_toolchain(cache)
    origin.unlink()
    assert not has_toolchain(cache)


def test_plugins_stand_where_pulumi_looks_for_them(
    server: ReleaseServer, cache: Cache, lines: list[str]
) -> None:
    publish(server)
    home = ensure(cache, lines.append, server.releases).home
    found = sorted(path.relative_to(home).as_posix() for path in home.rglob("pulumi-resource-*"))
    assert found == [
        "plugins/resource-command-v1.2.1/pulumi-resource-command",
        "plugins/resource-kubernetes-v4.25.0/pulumi-resource-kubernetes",
    ]


def test_where_no_release_can_be_reached_parts_are_built_and_the_reason_is_told(
    cache: Cache, builds: Builds, lines: list[str]
) -> None:
    toolchain = ensure(cache, lines.append, NOWHERE)
    assert builds.asked == RECIPES
    assert any(
        "no official release" in line and "http://127.0.0.1:1 cannot be reached" in line for line in lines
    )
    assert [part.stand_in for part in toolchain.parts] == [False, False, True]
    assert "stand-in (test equipment)" in toolchain.parts[-1].origin
    assert os.access(toolchain.bin / "pulumi-language-python-exec", os.X_OK)


def test_a_release_with_another_digest_than_its_list_is_refused_and_nothing_is_built_instead(
    server: ReleaseServer, cache: Cache, builds: Builds, lines: list[str]
) -> None:
    publish(server)
    path = next(path for path in server.files if path.endswith(("x64.tar.gz", "arm64.tar.gz")))
    server.files[path] += b"changed"
    with pytest.raises(WrongDigestError, match=rf"Pulumi CLI .*{PULUMI}: .*found sha256 .*, expected "):
        ensure(cache, lines.append, server.releases)
    assert builds.asked == []


def test_an_interrupted_run_is_continued_with_the_parts_that_are_missing(
    server: ReleaseServer, cache: Cache, lines: list[str]
) -> None:
    publish(server)
    ensure(cache, lines.append, server.releases)
    (cache.root / COMMAND.folder / ORIGIN_FILE).unlink()
    lines.clear()
    ensure(cache, lines.append, server.releases)
    assert len([line for line in lines if "official release" in line]) == 1


def age(cache: Cache) -> None:
    """Make it look as if the release of the command plugin was last asked for long ago."""
    file = cache.root / COMMAND.folder / ORIGIN_FILE
    file.write_text(json.dumps({**json.loads(file.read_text()), "asked": 0}))


def test_the_stand_in_gives_way_to_the_official_plugin_once_that_can_be_had(
    server: ReleaseServer, cache: Cache, lines: list[str]
) -> None:
    publish(server)
    assert ensure(cache, lines.append, NOWHERE).parts[-1].stand_in
    assert ensure(cache, lines.append, server.releases).parts[-1].stand_in, "it was asked for a moment ago"
    age(cache)
    parts = ensure(cache, lines.append, server.releases).parts
    assert not parts[-1].stand_in
    assert (parts[-1].folder / "pulumi-resource-command").read_text() == "official pulumi-resource-command"
    assert "built" in parts[0].origin, "what was built from the official sources stays"


def test_the_stand_in_stays_quietly_where_the_release_is_still_out_of_reach(
    cache: Cache, builds: Builds, lines: list[str]
) -> None:
    ensure(cache, lines.append, NOWHERE)
    age(cache)
    lines.clear()
    asked = len(builds.asked)
    for _ in range(2):
        assert ensure(cache, lines.append, Releases("http://127.0.0.1:1")).parts[-1].stand_in
    assert (lines, len(builds.asked)) == ([], asked)


def test_a_server_that_has_no_time_now_is_no_reason_to_build_a_stand_in(
    server: ReleaseServer, cache: Cache, builds: Builds, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.toolchain.release._PAUSE_SECONDS", 0)
    publish(server)
    server.put_off = [503] * 4
    with pytest.raises(ReleaseError, match="run it again later: the server answers 503"):
        ensure(cache, lines.append, server.releases, patient=True)
    assert builds.asked == []


@pytest.fixture
def slow(server: ReleaseServer, cache: Cache, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in whose hour is over, and a server that has the official plugin and takes its time."""
    monkeypatch.setattr("sandbox.toolchain.install._ASKED_AGAIN_WITHIN_SECONDS", 0.1)
    publish(server)
    ensure(cache, lines.append, NOWHERE)
    age(cache)
    server.slow = 0.5


@pytest.mark.usefixtures("slow")
def test_the_stand_in_stays_for_one_run_only_where_the_server_is_slow(
    server: ReleaseServer, cache: Cache, lines: list[str]
) -> None:
    assert ensure(cache, lines.append, server.releases).parts[-1].stand_in
    server.slow = 0
    assert not ensure(cache, lines.append, server.releases).parts[-1].stand_in


@pytest.mark.usefixtures("slow")
def test_for_machines_of_ones_own_a_slow_server_is_waited_for(
    server: ReleaseServer, cache: Cache, lines: list[str]
) -> None:
    assert not ensure(cache, lines.append, server.releases, patient=True).parts[-1].stand_in


def test_nothing_is_built_because_a_server_is_slow(
    server: ReleaseServer, cache: Cache, builds: Builds, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.toolchain.install._ASKED_AGAIN_WITHIN_SECONDS", 0.1)
    publish(server)
    server.slow = 0.5
    ensure(cache, lines.append, server.releases)
    assert builds.asked == []


def test_a_part_whose_recipe_changed_is_built_again(
    cache: Cache, builds: Builds, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(cache, lines.append, NOWHERE)
    monkeypatch.setattr(GoRecipe, "digest", lambda recipe: f"another {recipe.name}")
    ensure(cache, lines.append, NOWHERE)
    assert builds.asked == RECIPES * 2


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that puts a `pulumi` that tells this version, and its language host, on PATH."""

    def put(version: str) -> Path:
        folder = tmp_path / f"here-{version}"
        folder.mkdir()
        for name in ("pulumi", "pulumi-language-python", "pulumi-language-python-exec"):
            (folder / name).write_text(f"#!/bin/sh\necho v{version}\n")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return folder

    return put


def test_a_pulumi_of_exactly_this_version_on_path_is_used_until_it_changes(
    here: Callable[[str], Path], cache: Cache, builds: Builds, lines: list[str]
) -> None:
    folder = here(PULUMI)
    toolchain = ensure(cache, lines.append, NOWHERE)
    assert toolchain.pulumi.resolve() == folder / "pulumi"
    assert toolchain.parts[0].origin == f"already on this machine, {folder}"
    assert builds.asked == RECIPES[2:]
    (folder / "pulumi").write_text("#!/bin/sh\necho v0.0.1 upgraded\n")
    (folder / "pulumi-language-python").unlink()
    assert ensure(cache, lines.append, NOWHERE).pulumi.read_text() == "built pulumi"


def test_a_pulumi_of_another_version_on_path_is_left_alone(
    here: Callable[[str], Path], cache: Cache, lines: list[str]
) -> None:
    here("3.0.0")
    assert ensure(cache, lines.append, NOWHERE).pulumi.read_text() == "built pulumi"


def test_a_plugin_in_the_operators_own_pulumi_home_is_used(
    cache: Cache, lines: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "nobody" / "plugins" / "resource-command-v1.2.1"
    folder.mkdir(parents=True)
    (folder / "pulumi-resource-command").write_text("the operator's")
    part = ensure(cache, lines.append, NOWHERE).parts[-1]
    assert not part.stand_in
    assert (part.folder / "pulumi-resource-command").read_text() == "the operator's"


def test_the_stand_in_gives_way_at_once_to_a_plugin_in_the_operators_own_pulumi_home(
    cache: Cache, lines: list[str], tmp_path: Path
) -> None:
    assert ensure(cache, lines.append, NOWHERE).parts[-1].stand_in
    folder = tmp_path / "nobody" / "plugins" / "resource-command-v1.2.1"
    folder.mkdir(parents=True)
    (folder / "pulumi-resource-command").write_text("the operator's")
    assert not ensure(cache, lines.append, NOWHERE).parts[-1].stand_in
