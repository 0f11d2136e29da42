"""Files of official releases: fetched once, resumed after a cut, and never used with another digest."""

import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sandbox.progress import Progress, elapsed
from sandbox.toolchain.reach import (
    REACHED_WITHIN_SECONDS,
    Reach,
    ReleaseError,
    UnreachableError,
    reason,
    require_address,
)

_SILENT_FOR_SECONDS = 30.0
_TRIES = 4
_PAUSE_SECONDS = 0.5
_CHUNK = 1 << 20
_REPORT_EVERY_SECONDS = 15
_NOT_FOUND, _RANGE_REFUSED, _PARTIAL = 404, 416, 206
_FOR_NOW = frozenset({408, 429, 500, 502, 503, 504})
"""What a server answers that may have the file all the same."""
_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(\S+)")


class MissingError(ReleaseError):
    """The release server answers that there is no such file."""


class CutError(ReleaseError):
    """The server was there and every try was cut or put off; what has arrived is kept for the next run."""


class _PutOffError(ConnectionError):
    """The server has no time for this request now."""


class WrongDigestError(ReleaseError):
    """The file is not the one that was released; it has been removed."""


@dataclass(frozen=True)
class Releases:
    """Where releases lie, in GitHub's layout: `<base>/<repository>/releases/download/<tag>/<file>`.

    Attributes:
        base: Address of the server; `$A1_RELEASES` names a mirror.
    """

    base: str = field(default_factory=lambda: os.environ.get("A1_RELEASES", "https://github.com").rstrip("/"))
    _reach: Reach = field(default_factory=Reach, repr=False, compare=False)

    def url(self, repository: str, tag: str, file: str) -> str:
        """Return the address of a file of a release."""
        return f"{self.base}/{repository}/releases/download/{tag}/{file}"

    def require(self, within: float = REACHED_WITHIN_SECONDS) -> None:
        """Return when the server answers.

        Args:
            within: Seconds until it counts as slow, name resolution included; a refusal counts at once.

        Raises:
            ReleaseError: It is no address.
            SlowError: It has not answered so far.
            UnreachableError: It refuses, or nobody knows its name.
        """
        require_address("A1_RELEASES", self.base)
        self._reach.require(self.base, within)


def download(url: str, sha256: str, target: Path, progress: Progress) -> None:
    """Bring a file, unless it is there with this digest already.

    A cut connection is taken up where it ended; what one run leaves unfinished, the next one continues.

    Args:
        url: Where it lies.
        sha256: Its digest in hex.
        target: Where it goes; nothing stands there before the digest has been found right.
        progress: Takes a line now and then while it lasts.

    Raises:
        UnreachableError: The server does not answer.
        MissingError: It has no such file.
        CutError: Every try was cut or put off.
        WrongDigestError: What arrived has another digest, also after a fresh start.
    """
    if target.is_file() and file_sha256(target) == sha256.lower():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    continued = part.exists()
    _receive(url, part, progress)
    if continued and file_sha256(part) != sha256.lower():
        # What an earlier run left may belong to another file; a fresh start decides.
        part.unlink()
        _receive(url, part, progress)
    if (found := file_sha256(part)) != sha256.lower():
        part.unlink()
        raise WrongDigestError(
            f"{url}: found sha256 {found}, expected {sha256.lower()}; the file was removed"
        )
    part.replace(target)


def read_text(url: str) -> str:
    """Return a small text file of a release, such as its checksums.

    Raises:
        ReleaseError: As `download`.
    """
    content = bytearray()
    _retried(url, lambda: _open(url, 0, lambda answer, _: content.extend(answer.read())))
    return content.decode()


def listed_sha256(checksums: str, file: str) -> str:
    """Return the digest that a checksum file in sha256sum's format gives for a file.

    Raises:
        MissingError: The file is not in the list.
    """
    found: dict[str, str] = {name: digest.lower() for digest, name in _LINE.findall(checksums)}
    if file not in found:
        raise MissingError(f"{file} is not among the {len(found)} files of the release's checksum list")
    return found[file]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _receive(url: str, part: Path, progress: Progress) -> None:
    start = reported = time.monotonic()

    def store(answer: http.client.HTTPResponse, resumed: bool) -> None:  # noqa: FBT001 - a callback of two facts
        nonlocal reported
        with part.open("ab" if resumed else "wb") as output:
            for chunk in iter(lambda: answer.read1(_CHUNK), b""):
                output.write(chunk)
                if time.monotonic() - reported >= _REPORT_EVERY_SECONDS:
                    reported = time.monotonic()
                    progress(f"  {url.rsplit('/', 1)[-1]}: {_size(output)}, {elapsed(reported - start)}")
            if answer.length:
                raise http.client.IncompleteRead(b"", answer.length)

    _retried(url, lambda: _open(url, part.stat().st_size if part.exists() else 0, store))


def _size(output: BinaryIO) -> str:
    return f"{output.tell() / 1024**2:.0f} MiB"


def _retried(url: str, attempt: Callable[[], None]) -> None:
    for left in reversed(range(_TRIES)):
        try:
            attempt()
        except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
            if not left:
                raise CutError(
                    f"{url}: cut or put off {_TRIES} times, run it again later: {reason(error)}"
                ) from error
            time.sleep(_PAUSE_SECONDS * 2 ** (_TRIES - 1 - left))
        else:
            return


def _open(url: str, offset: int, use: Callable[[http.client.HTTPResponse, bool], None]) -> None:
    wanted = {"Range": f"bytes={offset}-"} if offset else {}
    request = urllib.request.Request(url, headers=wanted)  # noqa: S310 - not from outside
    try:
        answer = urllib.request.urlopen(request, timeout=_SILENT_FOR_SECONDS)  # noqa: S310 - not from outside
    except urllib.error.HTTPError as error:
        with error:
            if error.code == _RANGE_REFUSED:
                return  # everything had arrived before
            if error.code == _NOT_FOUND:
                raise MissingError(f"{url}: the server has no such file (404)") from None
            answered = f"the server answers {error.code} {error.reason}"
            if error.code in _FOR_NOW:
                raise _PutOffError(answered) from None
            raise UnreachableError(f"{url}: {answered}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, (ConnectionResetError, TimeoutError)):
            raise error.reason from None
        raise UnreachableError(f"{url} cannot be reached: {reason(error)}") from None
    with answer:
        use(answer, answer.status == _PARTIAL)
