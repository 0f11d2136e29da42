"""Debian's packages for images: what they depend on, that they are the right ones, where their files go."""

import hashlib
import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from sandbox.build.debian import DebianError, closure, download, unpack
from sandbox.cache import Cache

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="not on Debian")


class Archive:
    """A package source of our own: `apt-cache` and `apt-get` as scripts that serve a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the scripts first on PATH."""
        self.folder = folder / "archive"
        self.stanzas: dict[str, str] = {}
        self.folder.mkdir()
        self.list = folder / "list.json"
        show = f"""#!/usr/bin/env python3
import json, sys
known = json.load(open({str(self.list)!r}))
names = [name for name in sys.argv[2:] if not name.startswith("-")]
missing = [name for name in names if name not in known]
if missing:
    sys.exit(f"E: No packages found: {{missing}}")
print("\\n\\n".join(known[name] for name in names))
"""
        get = f"""#!/bin/sh
[ "$1" = download ] || exit 0
shift
for name; do case $name in -*) ;; *) cp {self.folder}/"$name"_*.deb . || exit 1 ;; esac; done
"""
        for name, text in (("apt-cache", show), ("apt-get", get)):
            script = folder / "bin" / name
            script.parent.mkdir(exist_ok=True)
            script.write_text(text)
            script.chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
        self.list.write_text("{}")

    def add(self, name: str, depends: str = "", **files: str) -> Path:
        """Build a package; `files` are paths with `__` for `/`."""
        root = self.folder / name
        (root / "DEBIAN").mkdir(parents=True)
        (root / "DEBIAN" / "control").write_text(
            f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: a <a@b.example>\nDescription: x\n"
        )
        for path, text in files.items():
            target = root / path.replace("__", "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        package = self.folder / f"{name}_1.0_all.deb"
        subprocess.run(["dpkg-deb", "--build", str(root), str(package)], check=True, capture_output=True)
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        fields = {
            "Package": name,
            "Version": "1.0",
            "Architecture": "all",
            "Depends": depends,
            "SHA256": digest,
        }
        self.stanzas[name] = "\n".join(f"{key}: {value}" for key, value in fields.items() if value)
        self.list.write_text(json.dumps(self.stanzas))
        return package


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    return Archive(tmp_path, monkeypatch)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_a_package_comes_with_what_it_depends_on(archive: Archive, cache: Cache) -> None:
    archive.add("app", depends="lib (>= 1.0), one:any | other")
    archive.add("lib", depends="deeper")
    archive.add("deeper", depends="lib")
    archive.add("one")
    assert closure(cache, ["app"]) == ("app", "deeper", "lib", "one")


def test_what_is_not_wanted_is_not_followed(archive: Archive, cache: Cache) -> None:
    archive.add("app", depends="perl")
    assert closure(cache, ["app"], without=("perl",)) == ("app",)


def test_an_unknown_package_is_named(archive: Archive, cache: Cache) -> None:
    archive.add("app", depends="gone")
    with pytest.raises(DebianError, match=r"apt knows not all packages .*gone"):
        closure(cache, ["app"])


def test_packages_are_downloaded_once(archive: Archive, cache: Cache) -> None:
    archive.add("app")
    said: list[str] = []
    first = download(cache, said.append, ["app"])
    assert [path.name for path in first] == ["app_1.0_all.deb"]
    assert said
    said.clear()
    assert download(cache, said.append, ["app"]) == first
    assert said == []


def test_a_package_that_is_not_what_the_index_says_is_refused_and_removed(
    archive: Archive, cache: Cache
) -> None:
    archive.add("app").write_bytes(b"another")
    with pytest.raises(DebianError, match=r"app_1\.0_all\.deb is not what the package index says"):
        download(cache, lambda _line: None, ["app"])
    assert not list((cache.root / "debs").iterdir())


def test_files_of_old_places_go_to_their_new_ones_and_documents_stay_away(
    archive: Archive, tmp_path: Path
) -> None:
    package = archive.add("app", bin__tool="x", usr__lib__part="y", usr__share__doc__app__copyright="z")
    root = tmp_path / "root"
    unpack([package], root)
    assert (root / "bin" / "tool").read_text() == "x"
    assert (root / "usr" / "bin" / "tool").read_text() == "x"
    assert (root / "usr" / "lib" / "part").read_text() == "y"
    assert not (root / "usr" / "share" / "doc").exists()


def test_a_damaged_package_is_named(tmp_path: Path) -> None:
    package = tmp_path / "app_1.0_all.deb"
    package.write_bytes(b"no package")
    with pytest.raises(DebianError, match=r"app_1\.0_all\.deb: "):
        unpack([package], tmp_path / "root")


def test_a_machine_without_apt_is_told_so(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DebianError, match="apt-cache is missing"):
        closure(cache, ["app"])
