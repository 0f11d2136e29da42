"""The repository that Argo CD syncs on the sandbox, and its server, on loopback."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import apt, git_repository
from sandbox.git_repository import GitError, ensure_git, head, publish, run
from sandbox.git_server import GitServer, stop

FILES = {"manifests/root/kustomization.yaml": "resources: []\n", "manifests/one.yaml": "kind: Äpfel\n"}


def commits(repository: Path) -> list[str]:
    return run(repository, "log", "--format=%H", "main").decode().split()


def test_git_is_installed_where_it_is_missing_and_only_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages: list[str] = []
    said: list[str] = []
    monkeypatch.setattr(apt, "apt_install", packages.append)
    ensure_git(said.append)
    assert (packages, said) == ([], [])
    monkeypatch.setitem(git_repository.ENVIRONMENT, "PATH", str(tmp_path))
    ensure_git(said.append)
    assert packages == ["git"]
    assert said[0].startswith("installing the Debian package git")


def test_the_branch_holds_exactly_the_files(tmp_path: Path) -> None:
    publish(tmp_path / "it.git", {**FILES, "manifests/old.yaml": "kind: Old\n"}, "first")
    commit = publish(tmp_path / "it.git", FILES, "second")
    tree = tmp_path / "tree"
    run(tmp_path / "it.git", "worktree", "add", "--quiet", str(tree), "main")
    held = {
        path.relative_to(tree).as_posix(): path.read_text(encoding="utf-8")
        for path in tree.rglob("*")
        if path.is_file() and path.name != ".git"
    }
    assert held == FILES
    assert commits(tmp_path / "it.git")[0] == commit == head(tmp_path / "it.git")
    run(tmp_path / "it.git", "fsck", "--strict")


def test_the_same_changes_make_the_same_commits_whoever_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(tmp_path / "one.git", FILES, "text")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Somebody")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2001-01-01T00:00:00Z")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert publish(tmp_path / "two.git", dict(reversed(FILES.items())), "text") == first
    who = run(tmp_path / "two.git", "log", "--format=%an <%ae> %cn <%ce>", "main").decode()
    assert who == "A1 sandbox <sandbox@a1.invalid> A1 sandbox <sandbox@a1.invalid>\n"


def test_without_a_change_there_is_no_commit(tmp_path: Path) -> None:
    repository = tmp_path / "it.git"
    assert publish(repository, FILES, "first") == publish(repository, FILES, "second")
    changed = {**FILES, "manifests/one.yaml": "kind: Other\n"}
    assert publish(repository, changed, "third") != publish(repository, FILES, "fourth")
    assert len(commits(repository)) == 3


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../outside", "a/../b", ".git/config", "a//b", "a b", "a\nM 100644 inline b", ""]
)
def test_a_path_that_could_mean_something_else_is_refused_by_name_and_nothing_is_written(
    tmp_path: Path, path: str
) -> None:
    with pytest.raises(GitError) as refused:
        publish(tmp_path / "it.git", {**FILES, path: "x"}, "text")
    assert repr(path) in str(refused.value)
    assert not (tmp_path / "it.git").exists()


def test_no_files_are_refused_since_a_sync_would_delete_everything(tmp_path: Path) -> None:
    publish(tmp_path / "it.git", FILES, "text")
    with pytest.raises(GitError, match="no files"):
        publish(tmp_path / "it.git", {}, "text")
    assert len(commits(tmp_path / "it.git")) == 1


def test_a_broken_repository_is_an_error_that_names_it(tmp_path: Path) -> None:
    publish(tmp_path / "it.git", FILES, "text")
    (tmp_path / "it.git" / "refs/heads/main").write_text("nonsense\n")
    with pytest.raises(GitError, match=r"it\.git"):
        publish(tmp_path / "it.git", {**FILES, "more": "x"}, "text")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[GitServer]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    yield GitServer(tmp_path, "127.0.0.1", port)
    stop(tmp_path)


def running(folder: Path) -> list[int]:
    """Return the servers of a folder, without `pgrep`, which a bare Debian does not have.

    Not what a server starts for a moment for each that asks.
    """
    found: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_text(errors="replace").split("\0")
            if words[0].endswith("git-daemon") and f"--base-path={folder}" in words:
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return [process for process, parent in found.items() if parent not in found]


def test_what_is_published_can_be_cloned_and_not_pushed_to(served: GitServer, tmp_path: Path) -> None:
    served.ensure("it.git", publish(tmp_path / "it.git", FILES, "first"))
    second = publish(tmp_path / "it.git", {**FILES, "more.yaml": "kind: More\n"}, "second")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", served.url("it.git"), clone], check=True)
    assert (clone / "more.yaml").read_text() == "kind: More\n"
    pushed = subprocess.run(["git", "-C", clone, "push", "origin", "HEAD~1:refs/heads/other"], check=False)
    assert pushed.returncode
    assert head(tmp_path / "it.git") == second


def test_a_server_that_runs_is_left_alone_and_one_that_was_killed_comes_back(
    served: GitServer, tmp_path: Path
) -> None:
    commit = publish(tmp_path / "it.git", FILES, "text")
    served.ensure("it.git", commit)
    (first,) = running(tmp_path)
    served.ensure("it.git", commit)
    assert running(tmp_path) == [first]
    os.kill(first, signal.SIGKILL)
    served.ensure("it.git", commit)
    assert running(tmp_path) != [first]
    stop(tmp_path)
    stop(tmp_path)
    assert running(tmp_path) == []


def test_another_folders_server_is_not_ended(served: GitServer, tmp_path: Path) -> None:
    served.ensure("it.git", publish(tmp_path / "it.git", FILES, "text"))
    stop(tmp_path.parent)
    stop(tmp_path / "it.git")
    assert len(running(tmp_path)) == 1


def test_a_port_that_is_taken_is_an_error_that_says_so_and_leaves_nothing_running(
    served: GitServer, tmp_path: Path
) -> None:
    commit = publish(tmp_path / "it.git", FILES, "text")
    with socket.socket() as taken:
        taken.bind((served.address, served.port))
        taken.listen()
        with pytest.raises(GitError, match=r"(?s)does not serve .*Address already in use"):
            served.ensure("it.git", commit)
    assert running(tmp_path) == []


def test_an_address_of_another_machine_is_an_error_that_names_it(tmp_path: Path) -> None:
    commit = publish(tmp_path / "it.git", FILES, "text")
    with pytest.raises(GitError, match=r"git://192\.0\.2\.1/it\.git does not serve"):
        GitServer(tmp_path, "192.0.2.1").ensure("it.git", commit)
