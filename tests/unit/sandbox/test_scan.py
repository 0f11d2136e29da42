"""What a scan makes of the scanner's answer: what can be mended fails, what cannot is told."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from sandbox import scan as scanning
from sandbox.build.image import ImageFile
from sandbox.cache import Cache
from sandbox.scan import Finding, ScanError, findings, scan

_EVERY_VERSION = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}


def _vulnerability(name: str, package: str, ecosystem: str, *events: dict[str, str]) -> dict[str, Any]:
    part = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, *events]}
    commits = {"type": "GIT", "events": [{"introduced": "0"}, {"fixed": "0123abc"}]}
    other = {"package": {"name": package, "ecosystem": "Debian:11"}, "ranges": [part]}
    own = {"package": {"name": package, "ecosystem": ecosystem}, "ranges": [part, commits]}
    return {"id": name, "affected": [own, *([other] if ecosystem != "Debian:11" else [])]}


def _answer(*vulnerabilities: dict[str, Any], ecosystem: str = "PyPI") -> dict[str, Any]:
    package = {"name": "pyyaml", "version": "5.1", "ecosystem": ecosystem}
    return {"results": [{"packages": [{"package": package, "vulnerabilities": list(vulnerabilities)}]}]}


def test_a_finding_names_the_versions_that_mend_it_and_no_commit() -> None:
    answer = _answer(_vulnerability("GHSA-1", "pyyaml", "PyPI", {"fixed": "5.4"}))
    assert list(findings(answer)) == [Finding("pyyaml 5.1", "GHSA-1", ("5.4",))]
    assert str(*findings(answer)) == "pyyaml 5.1: GHSA-1, mended by 5.4"


def test_what_is_mended_in_another_release_of_debian_is_not_mended_in_ours() -> None:
    entry = _vulnerability("DEBIAN-CVE-1", "pyyaml", "Debian:12")
    entry["affected"][1]["ranges"] = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1"}]}]
    assert list(findings(_answer(entry, ecosystem="Debian:12"))) == [
        Finding("pyyaml 5.1", "DEBIAN-CVE-1", ())
    ]


def test_what_mends_another_package_of_the_same_advisory_mends_ours_not() -> None:
    entry = _vulnerability("GHSA-1", "pyyaml", "PyPI")
    entry["affected"].append(_vulnerability("GHSA-1", "other", "PyPI", {"fixed": "9.0"})["affected"][0])
    assert list(findings(_answer(entry))) == [Finding("pyyaml 5.1", "GHSA-1", ())]


def test_an_advisory_may_spell_a_package_otherwise_than_the_lock_file() -> None:
    entry = _vulnerability("GHSA-1", "PyYAML", "PyPI", {"fixed": "5.4"})
    assert list(findings(_answer(entry))) == [Finding("pyyaml 5.1", "GHSA-1", ("5.4",))]


def test_what_is_above_the_last_version_that_has_it_mends_it() -> None:
    entry = _vulnerability("GHSA-1", "pyyaml", "PyPI", {"last_affected": "5.3"})
    [found] = findings(_answer(entry))
    assert str(found) == "pyyaml 5.1: GHSA-1, mended by anything above 5.3"


@pytest.mark.parametrize("identifier", [{"id": "MAL-2026-1"}, {"id": "GHSA-1", "aliases": ["MAL-2026-1"]}])
@pytest.mark.parametrize("affected", [{"versions": ["5.1"]}, {"ranges": [_EVERY_VERSION]}])
def test_what_is_malicious_is_told_whether_or_not_there_is_another_version(
    scanner: Path, identifier: dict[str, Any], affected: dict[str, Any]
) -> None:
    package = {"name": "pyyaml", "ecosystem": "PyPI"}
    (scanner / "status").write_text("1")
    (scanner / "answer").write_text(
        json.dumps(_answer({**identifier, "affected": [{"package": package, **affected}]}))
    )
    with pytest.raises(ScanError, match=rf"pyyaml 5\.1: {identifier['id']}, malicious"):
        scan(Cache(scanner / "cache"), lambda _: None)


def test_what_only_some_versions_are_listed_to_have_is_mended_by_any_other() -> None:
    entry = _vulnerability("GHSA-1", "pyyaml", "PyPI")
    entry["affected"] = [{"package": {"name": "pyyaml", "ecosystem": "PyPI"}, "versions": ["5.0", "5.1"]}]
    [found] = findings(_answer(entry))
    assert str(found) == "pyyaml 5.1: GHSA-1, mended by any version that the advisory does not list"


def test_nothing_found_is_an_empty_answer() -> None:
    assert list(findings({"results": []})) == []
    assert list(findings({"results": [{"packages": [{"package": {}, "vulnerabilities": None}]}]})) == []


@pytest.fixture
def scanner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of OSV-Scanner that says what `answer` holds, with the status in `status`."""
    program = tmp_path / "osv-scanner"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ncat {tmp_path}/answer\nexit $(cat {tmp_path}/status)\n'
    )
    program.chmod(stat.S_IRWXU)
    (tmp_path / "status").write_text("0")
    (tmp_path / "answer").write_text('{"results": []}')
    image = ImageFile(tmp_path / "image.tar", "0" * 64, ("a1platform/mcp-services:1",), "sha256:1")
    monkeypatch.setattr(scanning, "build", lambda *_: tmp_path)
    monkeypatch.setattr(scanning, "services_image", lambda *_: image)
    monkeypatch.delenv(scanning.DATABASE, raising=False)
    return tmp_path


def test_the_image_and_every_lock_file_are_looked_at(scanner: Path) -> None:
    said: list[str] = []
    scan(Cache(scanner / "cache"), said.append)
    image, locks = (scanner / "asked").read_text().splitlines()
    assert image.startswith("scan image ")
    assert image.endswith(f"--archive {scanner}/image.tar")
    repository = Path(__file__).parents[3]
    named = {word.rpartition(":")[2] for word in locks.split() if ".txt:" in word}
    assert named == {str(path.relative_to(repository)) for path in _lock_files(repository)}
    assert "lock files: 0 known vulnerabilities, 0 that nobody has mended yet" in said


def _lock_files(repository: Path) -> list[Path]:
    """Every file of the repository that pins packages by their hashes."""
    found = (
        *repository.glob("*.txt"),
        *repository.glob("services/*.txt"),
        *repository.glob("sandbox/**/*.txt"),
    )
    return [path for path in found if "--hash=" in path.read_text()]


def test_what_a_newer_version_mends_fails_and_what_nobody_has_mended_does_not(scanner: Path) -> None:
    unmended = _vulnerability("GHSA-2", "pyyaml", "PyPI")
    (scanner / "status").write_text("1")
    (scanner / "answer").write_text(json.dumps(_answer(unmended)))
    said: list[str] = []
    scan(Cache(scanner / "cache"), said.append)
    assert "lock files: 1 known vulnerabilities, 1 that nobody has mended yet" in said
    mended = _vulnerability("GHSA-1", "pyyaml", "PyPI", {"fixed": "5.4"})
    (scanner / "answer").write_text(json.dumps(_answer(unmended, mended)))
    with pytest.raises(ScanError, match=r"pyyaml 5\.1: GHSA-1, mended by 5\.4"):
        scan(Cache(scanner / "cache"), said.append)


def test_a_scan_that_finds_nothing_out_is_no_scan_without_a_finding(scanner: Path) -> None:
    (scanner / "status").write_text("127")
    (scanner / "answer").write_text("cannot reach osv.dev")
    with pytest.raises(ScanError, match=r"cannot reach osv\.dev"):
        scan(Cache(scanner / "cache"), lambda _: None)
