"""A bare Git repository whose branch holds exactly the files that it was given, one commit a change.

Nothing of the user's goes into it: neither an identity nor a setting, a hook or the time. The same changes
make the same commits on every machine.
"""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandbox.apt import ensure_program
from sandbox.progress import Progress

BRANCH = "main"
_HEAD = f"refs/heads/{BRANCH}"
_ENDS_WITHIN_SECONDS = 60
_WHO = "A1 sandbox <sandbox@a1.invalid> 1700000000 +0000"
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
# The user's own configuration may sign commits or rewrite addresses.
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
}


class GitError(RuntimeError):
    """Git refused, or what it should hold cannot be held; the text says why."""


def ensure_git(progress: Progress) -> None:
    """Install Git where it is missing and this machine lets us.

    Args:
        progress: Takes a line where it is installed.

    Raises:
        UnfitError: It is missing, and whoever runs this cannot install it.
        AptError: apt cannot.
    """
    ensure_program(progress, "git", path=ENVIRONMENT["PATH"])


def publish(repository: Path, files: Mapping[str, str], message: str) -> str:
    """Make the branch hold exactly these files and return its commit; without a change it stays as it is.

    Whoever reads the branch meanwhile gets the old commit or the new one.

    Args:
        repository: The bare repository, made where it is missing.
        files: Text by path.
        message: The new commit's message.

    Raises:
        GitError: A path cannot be held, there are no files, or Git refused.
    """
    wrong = [path for path in files if not _PATH.fullmatch(path)]
    if wrong:
        raise GitError(f"found the path {wrong[0]!r}, expected names of letters, digits, '.', '_' and '-'")
    if not files:
        raise GitError("found no files to publish: Argo CD would take away everything that it has synced")
    if not (repository / "HEAD").exists():
        repository.mkdir(parents=True, exist_ok=True)
        run(repository, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", "--template=")
    if head(repository) is None or _held(repository) != {path: _blob(text) for path, text in files.items()}:
        run(repository, "fast-import", "--quiet", "--done", given=_stream(repository, files, message))
    commit = head(repository)
    if commit is None:
        raise GitError(f"found no branch {BRANCH} in {repository} after a commit to it")
    return commit


def head(repository: Path) -> str | None:
    """Return the branch's commit, or None where there is none yet.

    Raises:
        GitError: Git refused.
    """
    if not (repository / "HEAD").exists():
        return None
    found = run(repository, "for-each-ref", "--format=%(objectname)", _HEAD)
    return found.decode().strip() or None


def paths(repository: Path) -> frozenset[str]:
    """Return what the branch holds; nothing where there is none.

    Raises:
        GitError: Git refused.
    """
    return frozenset(_held(repository)) if head(repository) else frozenset()


def run(
    repository: Path,
    *arguments: str,
    given: bytes | None = None,
    timeout: float = _ENDS_WITHIN_SECONDS,
) -> bytes:
    """Run Git on a repository and return what it prints.

    Args:
        repository: The folder.
        arguments: The command.
        given: What it reads from standard input.
        timeout: Seconds after which it is given up.

    Raises:
        GitError: Git is not installed, refused, or waited too long for an answer.
    """
    program = shutil.which("git", path=ENVIRONMENT["PATH"])
    if program is None:
        raise GitError("found no git on this machine: install the Debian package git")
    # A folder given by name is trusted whoever owns it.
    command = [program, f"--git-dir={repository}", *arguments]
    try:
        done = subprocess.run(
            command,
            input=given,
            env=ENVIRONMENT,
            cwd="/",
            capture_output=True,
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git {arguments[0]} in {repository}: not done within {timeout} s") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-1000:]
        raise GitError(f"git {arguments[0]} in {repository} failed: {said}")
    return done.stdout


def _held(repository: Path) -> dict[str, str]:
    """Return the blob of every path on the branch."""
    listed = run(repository, "ls-tree", "-r", "-z", _HEAD).decode().split("\0")
    entries = (line.split("\t", 1) for line in listed if line)
    return {path: facts.split()[2] for facts, path in entries}


def _blob(text: str) -> str:
    """Return the name that Git gives to a content."""
    content = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _stream(repository: Path, files: Mapping[str, str], message: str) -> bytes:
    """Return a commit of exactly these files in the format of `git fast-import`."""
    parts = [b"commit %s\ncommitter %s\n" % (_HEAD.encode(), _WHO.encode()), _data(message)]
    if parent := head(repository):
        parts.append(b"from %s\n" % parent.encode())
    parts.append(b"deleteall\n")
    for path, text in sorted(files.items()):
        parts += [b"M 100644 inline %s\n" % path.encode(), _data(text)]
    return b"".join([*parts, b"done\n"])


def _data(text: str) -> bytes:
    content = text.encode()
    return b"data %d\n%s\n" % (len(content), content)
