"""`make scan`: known vulnerabilities in our own image and in our lock files, by OSV-Scanner.

What a newer version mends fails; what nobody has mended yet is counted, as nobody could do anything about it.
What is malicious always fails: it can be taken out.
The vulnerabilities come from osv.dev, or from a folder that `OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY` names.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.build.go import build
from sandbox.cache import Cache
from sandbox.progress import Progress, step
from sandbox.recipes.osv_scanner import PROGRAM
from sandbox.recipes.services_image import services_image

DATABASE = "OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY"
"""OSV-Scanner's own variable for the folder of its databases."""

_REPOSITORY = Path(__file__).parents[1]
_LOCK_FILES = (
    "requirements.txt",
    "requirements-uv.txt",
    "services/requirements.txt",
    "sandbox/build/go-requirements.txt",
)
_ACCEPTED = "osv-scanner.toml"
_SEPARATORS = re.compile(r"[-_.]+")
_MALICIOUS = "MAL-"
"""How malicious packages are named: https://github.com/ossf/malicious-packages."""
_SOME, _NONE = 1, 0
"""Exit statuses: https://google.github.io/osv-scanner/output/#return-codes."""


class ScanError(RuntimeError):
    """Something is malicious, or vulnerable while another version is not; or it could not be found out."""


@dataclass(frozen=True, order=True)
class Finding:
    """A known vulnerability.

    Attributes:
        package: Name and version of what has it.
        name: Its identifier, such as `GHSA-...` or `DEBIAN-CVE-...`.
        mended: The versions that do not have it any more; empty where there is none yet.
        is_malicious: Whether somebody made the package to do harm.
    """

    package: str
    name: str
    mended: tuple[str, ...]
    is_malicious: bool = False

    @property
    def fails(self) -> bool:
        """Whether something can be done about it."""
        return self.is_malicious or bool(self.mended)

    def __str__(self) -> str:
        """Name what is to be done."""
        if self.is_malicious:
            return f"{self.package}: {self.name}, malicious: take it out, and trust nothing that ran it"
        return f"{self.package}: {self.name}, mended by {' or '.join(self.mended)}"


def scan(cache: Cache, progress: Progress) -> None:
    """Compare our image and our lock files with the known vulnerabilities.

    Args:
        cache: Where the scanner and the image are made.
        progress: Takes a line per step and result.

    Raises:
        BuildError: The scanner does not build.
        ServicesImageError: The image cannot be made.
        ScanError: Something is vulnerable, which an entry in osv-scanner.toml could accept; or nothing could
            be found out.
    """
    program = build(PROGRAM, cache, progress) / "osv-scanner"
    image = services_image(cache, progress)
    locks = [argument for name in _LOCK_FILES for argument in ("--lockfile", f"requirements.txt:{name}")]
    scans = {
        f"image {image.reference}": ("image", "--archive", str(image.path)),
        "lock files": ("source", "--no-resolve", *locks),
    }
    wrong: list[str] = []
    for what, arguments in scans.items():
        with step(progress, f"scanning {what}"):
            found = sorted(set(findings(_results(program, arguments))))
        wrong += [str(one) for one in found if one.fails]
        unmended = [one for one in found if not one.fails]
        progress(f"{what}: {len(found)} known vulnerabilities, {len(unmended)} that nobody has mended yet")
    if wrong:
        lines = "\n  ".join(wrong)
        raise ScanError(
            f"malicious, or mended in other versions (`make lock`, or a reason in {_ACCEPTED}):\n  {lines}"
        )


def findings(results: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what OSV-Scanner has found.

    Args:
        results: Its answer, as of `--format json`.
    """
    for source in results.get("results") or ():
        for one in source["packages"]:
            package = one["package"]
            for vulnerability in one.get("vulnerabilities") or ():
                yield Finding(
                    f"{package['name']} {package['version']}",
                    vulnerability["id"],
                    tuple(sorted(set(_mended(vulnerability, package)))),
                    _is_malicious(vulnerability),
                )


def _is_malicious(vulnerability: Mapping[str, Any]) -> bool:
    names = (vulnerability["id"], *(vulnerability.get("aliases") or ()))
    return any(name.startswith(_MALICIOUS) for name in names)


def _mended(vulnerability: Mapping[str, Any], package: Mapping[str, str]) -> Iterator[str]:
    """Yield the versions that no longer have a vulnerability, of this package in its ecosystem."""
    for affected in vulnerability.get("affected") or ():
        of = affected.get("package") or {}
        # An advisory can be about several packages, each mended by a version of its own.
        if of.get("ecosystem") != package["ecosystem"] or _plain(of.get("name", "")) != _plain(
            package["name"]
        ):
            continue
        if affected.get("versions") and not affected.get("ranges"):
            yield "any version that the advisory does not list"
        for part in affected.get("ranges") or ():
            # Of the versions, not of the commits.
            if part.get("type") != "GIT":
                for event in part.get("events") or ():
                    if event.get("fixed"):
                        yield event["fixed"]
                    elif event.get("last_affected"):
                        yield f"anything above {event['last_affected']}"


def _plain(name: str) -> str:
    """Return a package's name in the one spelling of https://peps.python.org/pep-0503/#normalized-names.

    In no other ecosystem that is scanned do two packages differ by that alone.
    """
    return _SEPARATORS.sub("-", name).lower()


def _results(program: Path, arguments: Sequence[str]) -> dict[str, Any]:
    offline = ("--offline",) if os.environ.get(DATABASE) else ()
    command = [str(program), "scan", arguments[0], *offline, "--config", _ACCEPTED, "--format", "json"]
    done = subprocess.run(
        [*command, *arguments[1:]], cwd=_REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode not in {_NONE, _SOME}:
        raise ScanError(f"osv-scanner found nothing out: {(done.stderr or done.stdout).strip()[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
