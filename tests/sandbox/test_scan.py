"""The real scanner, asked about the real image and lock files, with known vulnerabilities of our own making.

The databases of osv.dev cannot be had from package registries, so these stand in their place.
"""

import json
import re
import zipfile
from pathlib import Path

import pytest

from sandbox.cache import Cache
from sandbox.progress import to_terminal
from sandbox.scan import DATABASE, ScanError, scan

pytestmark = [pytest.mark.sandbox, pytest.mark.long, pytest.mark.timeout(1800)]

_LOCKED = Path(__file__).parents[2] / "services" / "requirements.txt"


def _database(folder: Path, ecosystem: str, release: str, package: str, fixed: str | None) -> None:
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    entry = {
        "id": f"A1-TEST-{ecosystem}",
        "modified": "2026-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": release, "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
    }
    file = folder / "osv-scalibr" / ecosystem / "all.zip"
    file.parent.mkdir(parents=True)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{entry['id']}.json", json.dumps(entry))


@pytest.mark.parametrize(
    ("fixed", "named"),
    [
        # Far above whatever version is locked, and far below.
        ("9999", {"A1-TEST-PyPI", "A1-TEST-Debian"}),
        ("0.0.1", set()),
        (None, set()),
    ],
    ids=["mended in a newer version", "mended in an older version", "mended nowhere"],
)
def test_what_is_known_of_the_image_and_the_lock_files_is_found(
    cache: Cache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fixed: str | None,
    named: set[str],
) -> None:
    assert re.search(r"^aiohttp==", _LOCKED.read_text(), re.MULTILINE)
    _database(tmp_path, "PyPI", "PyPI", "aiohttp", fixed)
    _database(tmp_path, "Debian", "Debian:12", "glibc", fixed)
    monkeypatch.setenv(DATABASE, str(tmp_path))
    found = ""
    try:
        scan(cache, to_terminal)
    except ScanError as error:
        found = str(error)
    assert set(re.findall(r"A1-TEST-\w+", found)) == named
