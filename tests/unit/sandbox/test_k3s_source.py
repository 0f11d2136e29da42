"""K3s for the sandbox: from a release server with the official layout, else built."""

from pathlib import Path

import pytest

from a1platform.versions import K3S
from sandbox import k3s_source as program
from sandbox.cache import Cache
from sandbox.k3s_source import K3sSource, k3s_source
from sandbox.progress import Progress
from sandbox.toolchain import release
from sandbox.toolchain.release import CutError, WrongDigestError
from tests.unit.sandbox.conftest import ReleaseServer

_CONTENT = b"\x7fELF" + bytes(5000)
_FILE = f"/k3s-io/k3s/releases/download/{K3S}/k3s"


class Bench:
    """A cache, and what is built in it."""

    def __init__(self, folder: Path) -> None:
        """Begin with nothing."""
        self.cache = Cache(folder)
        self.built = folder / "built" / "k3s"
        self.said: list[str] = []

    def build(self, _cache: Cache, _progress: Progress) -> Path:
        """Build at once."""
        self.built.parent.mkdir()
        self.built.write_bytes(b"built")
        return self.built

    def get(self, server: ReleaseServer) -> K3sSource:
        """Ask for K3s."""
        return k3s_source(self.cache, self.said.append, server.releases)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.setattr(program, "k3s_binary", made.build)
    monkeypatch.setattr(program, "built_k3s", lambda _: made.built)
    monkeypatch.setattr(program, "ensure_compiler", lambda _: made.said.append("a compiler"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(release, "_PAUSE_SECONDS", 0)
    return made


@pytest.fixture
def official(server: ReleaseServer) -> ReleaseServer:
    server.put("k3s-io/k3s", K3S, "sha256sum-amd64.txt", {"k3s": _CONTENT})
    return server


def test_the_official_release_is_taken_and_asked_for_once(bench: Bench, official: ReleaseServer) -> None:
    found = bench.get(official)
    assert found.origin == f"official release {K3S}"
    assert found.path.read_bytes() == _CONTENT
    assert found.path.stat().st_mode & 0o777 == 0o755
    asked = len(official.asked)
    assert bench.get(official) == found
    assert len(official.asked) == asked
    assert "a compiler" not in bench.said


def test_another_file_than_the_list_names_is_refused_and_nothing_is_built_instead(
    bench: Bench, official: ReleaseServer
) -> None:
    official.files[_FILE] = b"another program"
    with pytest.raises(WrongDigestError, match=r"found sha256 .*, expected "):
        bench.get(official)
    assert not bench.built.exists()
    assert not list(bench.cache.folder("releases", K3S).iterdir())


def test_a_release_without_the_file_is_told_and_k3s_is_built(bench: Bench, official: ReleaseServer) -> None:
    del official.files[_FILE]
    assert bench.get(official).origin == f"{K3S}, built from Go modules"
    assert any("no official release" in line and "no such file (404)" in line for line in bench.said)
    assert "a compiler" in bench.said


def test_a_download_that_was_cut_goes_on_in_the_next_run(bench: Bench, official: ReleaseServer) -> None:
    # The list of digests arrives.
    official.cut_after = [1000, 100, 100, 100, 100]
    with pytest.raises(CutError, match="cut or put off 4 times"):
        bench.get(official)
    assert bench.get(official).path.read_bytes() == _CONTENT
    assert official.asked[-1] == ("GET", _FILE, "bytes=400-")
    assert not bench.built.exists()
