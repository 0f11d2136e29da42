"""K3s is packed of whole files, and what is installed for that is told."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from sandbox import apt
from sandbox.build import debian
from sandbox.cache import Cache
from sandbox.recipes import k3s_binary as packing
from sandbox.recipes.k3s_binary import k3s_binary


class Bench:
    """A machine where the programs are built, and what is done on it to pack them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put files in the place of programs and packages."""
        self.cache = Cache(folder / "cache")
        self.said: list[str] = []
        self.installed: list[str] = []
        self.cut = False
        self.packed: dict[str, bytes] = {}
        self.path = folder / "path"
        self.path.mkdir()
        (folder / "k3s").touch()
        monkeypatch.setenv("PATH", str(self.path))
        monkeypatch.setattr(packing, "build", lambda *_: folder)
        monkeypatch.setattr(packing, "download", lambda *_: folder)
        monkeypatch.setattr(packing, "_pack", self._pack)
        monkeypatch.setattr(apt, "apt_install", lambda *names: self.installed.extend(names))
        monkeypatch.setattr(debian, "download", lambda *_: [folder / "runc.deb"])
        monkeypatch.setattr(debian, "unpack", self._unpack)

    def _unpack(self, _packages: Iterable[Path], root: Path) -> None:
        runc = root / "usr" / "sbin" / "runc"
        runc.parent.mkdir(parents=True)
        runc.write_bytes(b"half")
        if self.cut:
            raise KeyboardInterrupt
        runc.write_bytes(b"the whole of it")

    def _pack(self, contents: Mapping[str, Path], _wrapper: Path, target: Path) -> None:
        self.packed = {"runc": contents["runc"].read_bytes()}
        target.write_bytes(b"k3s")

    def make(self) -> Path:
        """Pack K3s."""
        return k3s_binary(self.cache, self.said.append)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_a_runc_whose_unpacking_was_cut_is_unpacked_again(bench: Bench) -> None:
    bench.cut = True
    with pytest.raises(KeyboardInterrupt):
        bench.make()
    bench.cut = False
    made = bench.make()
    assert bench.packed == {"runc": b"the whole of it"}
    assert [path.name for path in made.parent.iterdir()] == ["k3s"]


def test_a_package_that_is_installed_for_it_is_named_and_one_that_is_there_is_not(bench: Bench) -> None:
    (bench.path / "zstd").touch(mode=0o755)
    bench.make().unlink()
    assert bench.installed == []
    assert not [line for line in bench.said if "zstd" in line]
    (bench.path / "zstd").unlink()
    bench.make()
    assert bench.installed == ["zstd"]
    assert "installing the Debian package zstd ..." in bench.said
