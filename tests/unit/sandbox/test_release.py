"""Downloads from a release server on loopback that has GitHub's layout."""

import hashlib
import socket
import time
from pathlib import Path

import pytest

from sandbox.toolchain import Releases
from sandbox.toolchain.reach import ReleaseError, SlowError, UnreachableError
from sandbox.toolchain.release import (
    CutError,
    MissingError,
    WrongDigestError,
    download,
    listed_sha256,
    read_text,
)
from tests.unit.sandbox.conftest import ReleaseServer

CONTENT = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENT).hexdigest()
REPOSITORY, TAG, FILE = "k3s-io/k3s", "v1.30.5+k3s1", "k3s"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.toolchain.release._PAUSE_SECONDS", 0)


@pytest.fixture
def url(server: ReleaseServer) -> str:
    server.put(REPOSITORY, TAG, "sha256sum-amd64.txt", {FILE: CONTENT})
    return server.releases.url(REPOSITORY, TAG, FILE)


def quiet(_: str) -> None:
    """Take a line of progress."""


def test_a_file_is_downloaded_once_and_only_its_digest_is_looked_at_later(
    server: ReleaseServer, url: str, tmp_path: Path
) -> None:
    target = tmp_path / "bin" / "k3s"
    for _ in range(2):
        download(url, DIGEST.upper(), target, quiet)
    assert target.read_bytes() == CONTENT
    assert [entry[0] for entry in server.asked] == ["GET"]
    assert list(target.parent.iterdir()) == [target]


def test_the_digest_is_read_from_the_releases_own_list(server: ReleaseServer, url: str) -> None:
    listed = read_text(server.releases.url(REPOSITORY, TAG, "sha256sum-amd64.txt"))
    assert url.endswith("/k3s-io/k3s/releases/download/v1.30.5+k3s1/k3s")
    assert listed_sha256(listed, FILE) == DIGEST
    with pytest.raises(MissingError, match="k3s-arm64 is not among the 1 files"):
        listed_sha256(listed, "k3s-arm64")


def test_a_wrong_digest_is_refused_with_both_digests_and_leaves_nothing_behind(
    url: str, tmp_path: Path
) -> None:
    expected = "0" * 64
    with pytest.raises(WrongDigestError, match=f"found sha256 {DIGEST}, expected {expected}"):
        download(url, expected, tmp_path / "k3s", quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_changed_file_that_stood_there_is_replaced(url: str, tmp_path: Path) -> None:
    (tmp_path / "k3s").write_bytes(b"changed")
    download(url, DIGEST, tmp_path / "k3s", quiet)
    assert (tmp_path / "k3s").read_bytes() == CONTENT


def test_a_missing_file_is_named_with_its_address(url: str, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=f"{url}-none: the server has no such file".replace("+", r"\+")):
        download(f"{url}-none", DIGEST, tmp_path / "k3s", quiet)


def test_a_cut_connection_is_taken_up_where_it_ended(server: ReleaseServer, url: str, tmp_path: Path) -> None:
    server.cut_after = [1000, 2000]
    download(url, DIGEST, tmp_path / "k3s", quiet)
    assert (tmp_path / "k3s").read_bytes() == CONTENT
    assert [entry[2] for entry in server.asked] == ["", "bytes=1000-", "bytes=3000-"]


def test_a_server_that_has_no_time_now_is_asked_again(
    server: ReleaseServer, url: str, tmp_path: Path
) -> None:
    server.put_off = [503, 429]
    download(url, DIGEST, tmp_path / "k3s", quiet)
    assert (tmp_path / "k3s").read_bytes() == CONTENT


def test_a_server_that_never_has_time_is_not_one_that_cannot_be_reached(
    server: ReleaseServer, url: str, tmp_path: Path
) -> None:
    server.put_off = [503] * 4
    with pytest.raises(CutError, match="put off 4 times, run it again later: the server answers 503"):
        download(url, DIGEST, tmp_path / "k3s", quiet)


def test_an_address_with_a_password_is_refused_without_a_word_of_it() -> None:
    with pytest.raises(ReleaseError, match="A1_RELEASES: found an address with a user") as refused:
        Releases("https://someone:hidden@mirror.example.com").require()
    assert "hidden" not in str(refused.value)


def test_an_address_that_is_none_is_refused_and_not_taken_for_a_server_that_is_away() -> None:
    with pytest.raises(ReleaseError, match="A1_RELEASES: found 'foo', expected an address"):
        Releases("foo").require()


def test_a_server_that_cannot_continue_sends_the_file_from_its_beginning(
    server: ReleaseServer, url: str, tmp_path: Path
) -> None:
    server.ranges = False
    server.cut_after = [1000]
    download(url, DIGEST, tmp_path / "k3s", quiet)
    assert (tmp_path / "k3s").read_bytes() == CONTENT


def test_what_one_run_leaves_unfinished_the_next_one_continues(
    server: ReleaseServer, url: str, tmp_path: Path
) -> None:
    server.cut_after = [1000, 0, 0, 0]
    with pytest.raises(CutError, match="cut or put off 4 times"):
        download(url, DIGEST, tmp_path / "k3s", quiet)
    assert not (tmp_path / "k3s").exists()
    download(url, DIGEST, tmp_path / "k3s", quiet)
    assert server.asked[-1][2] == "bytes=1000-"
    assert (tmp_path / "k3s").read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"of another file", CONTENT + b"too long"])
def test_a_leftover_of_another_file_is_thrown_away(url: str, tmp_path: Path, left: bytes) -> None:
    (tmp_path / ".k3s.part").write_bytes(left)
    download(url, DIGEST, tmp_path / "k3s", quiet)
    assert (tmp_path / "k3s").read_bytes() == CONTENT


def test_a_server_that_refuses_the_connection_is_unreachable(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        releases = Releases(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(UnreachableError, match="cannot be reached"):
            releases.require()
        with pytest.raises(UnreachableError, match="cannot be reached"):
            download(releases.url(REPOSITORY, TAG, FILE), DIGEST, tmp_path / "k3s", quiet)


def test_a_server_that_says_nothing_is_unreachable_soon_and_not_asked_again() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        releases = Releases(f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        for _ in range(5):
            with pytest.raises(SlowError, match=r"no answer within 0\.2 s"):
                releases.require(within=0.2)
        assert time.monotonic() - start < 1


def test_a_server_that_refuses_is_not_taken_for_a_slow_one() -> None:
    releases = Releases("http://127.0.0.1:1")
    with pytest.raises(UnreachableError, match="refused") as refused:
        releases.require(within=0.2)
    assert not isinstance(refused.value, SlowError)


def test_a_slow_server_is_reached_by_who_waits_longer(server: ReleaseServer) -> None:
    server.slow = 0.5
    releases = server.releases
    with pytest.raises(SlowError):
        releases.require(within=0.1)
    releases.require(within=5)
    releases.require(within=0.1)
    assert [entry[0] for entry in server.asked] == ["HEAD", "HEAD"]


def test_a_server_that_answers_anything_is_reachable(server: ReleaseServer) -> None:
    server.releases.require()
    assert server.asked == [("HEAD", "/", "")]


def test_a_server_that_sends_elsewhere_is_reachable_whether_or_not_the_other_is(
    server: ReleaseServer,
) -> None:
    server.moved = "http://127.0.0.1:1/"
    server.releases.require()
