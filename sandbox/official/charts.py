"""Charts from their repositories: the index says where an archive lies and which digest it has."""

import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import yaml

from a1platform.platform.chart import Chart
from sandbox.official.places import Fetch, Places
from sandbox.progress import step
from sandbox.toolchain.reach import ReleaseError
from sandbox.toolchain.release import MissingError, download, read_text


def index_address(chart: Chart, places: Places) -> str:
    """Return where the index of a chart's repository lies."""
    return places.chart_address(f"{str(chart.repository).rstrip('/')}/index.yaml")


def take_chart(chart: Chart, fetch: Fetch, out: Path) -> None:
    """Fill a folder with a chart at its pin and what it depends on, which a packed chart has in it.

    Args:
        chart: Which, and its repository.
        fetch: How.
        out: An empty folder.

    Raises:
        UnreachableError: The repository, or the server that it names for the file, does not answer.
        ReleaseError: It answers, but not with this version of the chart, or with another file than it lists.
    """
    places = fetch.places
    index = index_address(chart, places)
    places.require(index)
    title = f"chart {chart.source} {chart.version} from {index.removesuffix('/index.yaml')}"
    with step(fetch.progress, title):
        named, sha256 = _listed(read_text(index), chart, index)
        url = places.chart_address(urljoin(index, named))
        places.require(url)
        archive = fetch.downloads / f"{chart.source}-{chart.version}.tgz"
        download(url, sha256, archive, fetch.progress)
        _unpack(archive, out, url)


def _listed(text: str, chart: Chart, index: str) -> tuple[str, str]:
    """Return address and digest of a chart's archive."""
    try:
        # Every value as its text: there are versions that YAML would take for numbers.
        read = yaml.load(text, yaml.CBaseLoader)  # noqa: S506 - makes nothing but texts
        entries: list[dict[str, Any]] = read["entries"].get(chart.source) or []
        # Helm, too, takes 1.0.0 and v1.0.0 for one version.
        found = [one for one in entries if one["version"].removeprefix("v") == chart.version]
        if not found:
            raise MissingError(
                f"{index} has no {chart.source} {chart.version}, but {len(entries)} other versions of it"
            )
        return str(found[0]["urls"][0]), str(found[0]["digest"]).removeprefix("sha256:")
    except (yaml.YAMLError, KeyError, IndexError, TypeError, AttributeError) as problem:
        raise ReleaseError(
            f"{index} gives no address and digest of {chart.source} {chart.version}: {problem!r}"
        ) from None


def _unpack(archive: Path, out: Path, url: str) -> None:
    """Unpack a chart's files without the folder that all of them are in."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() else None
                place = (out / member.name.partition("/")[2]).resolve()
                if content and place != out.resolve() and place.is_relative_to(out.resolve()):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(content.read())
    except (tarfile.TarError, EOFError) as problem:
        raise ReleaseError(f"{url} is no chart: {problem}") from None
    if not (out / "Chart.yaml").is_file():
        raise ReleaseError(f"{url} is no chart: it has no Chart.yaml")
