"""A part comes from its official places where these answer, and only where they do not is it built."""

import json
import socket
from collections.abc import Sequence
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from a1platform.bundle import load
from a1platform.cli.bundle import app
from a1platform.platform.chart import Chart
from sandbox import bundle as making
from sandbox.bundle import PartsError, ready_parts
from sandbox.official.part import Official
from sandbox.official.places import Places
from sandbox.parts import PARTS
from tests.unit.sandbox.chart_server import index, packed
from tests.unit.sandbox.conftest import ReleaseServer
from tests.unit.sandbox.small_bundle import Bench

_REPOSITORY = "https://charts.example.com/stable"
_MIRRORED = "/charts.example.com/stable"
_CHART = Chart("upstream", "2.0.0", _REPOSITORY)
_ARCHIVE = f"{_MIRRORED}/upstream-2.0.0.tgz"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.toolchain.release._PAUSE_SECONDS", 0)


@pytest.fixture
def nowhere() -> str:
    """An address that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as once:
        return f"http://127.0.0.1:{once.getsockname()[1]}"


@pytest.fixture(autouse=True)
def places(server: ReleaseServer, nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror of chart repositories that answers, and one of registries that does not."""
    monkeypatch.setenv("A1_CHARTS", server.base)
    monkeypatch.setenv("A1_REGISTRIES", nowhere)


@pytest.fixture(autouse=True)
def official(small: Bench) -> None:
    """The second part has an official chart."""
    small.parts["two"] = replace(small.parts["two"], official=Official(_CHART))


def _publish(server: ReleaseServer, *images: str, version: str = "2.0.0", folder: str = "") -> None:
    archive = packed("upstream", version, *images)
    server.files[f"{_MIRRORED}/index.yaml"] = index("upstream", {version: archive}, folder)
    server.files[f"{_MIRRORED}/upstream-{version}.tgz"] = archive


def _asked(server: ReleaseServer) -> Sequence[str]:
    return [path for method, path, _ in server.asked if method == "GET"]


def _not_made(small: Bench) -> str:
    with pytest.raises(PartsError) as raised:
        small.make()
    assert list(raised.value.failures) == ["two"]
    assert "two" not in small.built
    assert not (making.bundle_folder(small.cache) / "charts" / "two").exists()
    assert "two" not in load(raised.value.folder).parts
    return raised.value.failures["two"]


def test_a_part_is_its_official_chart_at_the_pin_and_the_bundle_says_so(
    small: Bench, server: ReleaseServer
) -> None:
    _publish(server)
    bundle = load(small.make())
    bundle.verify(thorough=True)
    part = bundle.part("two")
    assert small.built == ["one", "three"]
    assert part.origin == "chart upstream 2.0.0"
    assert part.chart is not None
    assert part.chart.version == "2.0.0"
    assert sorted(path.name for path in part.chart.path.iterdir()) == ["Chart.yaml"]
    assert not list((small.cache.root / "downloads").iterdir())
    listed = CliRunner().invoke(app, ["list", str(bundle.folder)], env={"COLUMNS": "200"})
    assert "chart upstream 2.0.0" in listed.output
    assert CliRunner().invoke(app, ["verify", "--partial", str(bundle.folder)]).exit_code == 0


def test_what_was_taken_is_asked_for_no_more_and_stays_when_the_place_is_gone(
    small: Bench, server: ReleaseServer, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(server)
    small.make()
    server.asked.clear()
    assert ready_parts(small.cache) == (["one", "two", "three"], [])
    small.make()
    monkeypatch.setenv("A1_CHARTS", nowhere)
    small.make()
    assert small.built == []
    assert server.asked == []


def test_a_part_is_built_where_its_repository_cannot_be_reached_and_that_is_said(
    small: Bench, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A1_CHARTS", nowhere)
    bundle = load(small.make())
    assert small.built == ["one", "two", "three"]
    assert bundle.part("two").origin == "recipe of two"
    said = [line for line in small.said if line.startswith("two: no official")]
    assert len(said) == 1
    assert said[0].startswith(f"two: no official chart and images ({nowhere} cannot be reached: ")


def test_what_was_built_stays_when_the_place_answers_later(
    small: Bench, server: ReleaseServer, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A1_CHARTS", nowhere)
    small.make()
    monkeypatch.setenv("A1_CHARTS", server.base)
    _publish(server)
    small.make()
    assert small.built == []
    assert server.asked == []


def test_a_part_is_built_where_only_the_registry_of_its_images_cannot_be_reached(
    small: Bench, server: ReleaseServer, nowhere: str
) -> None:
    _publish(server, "quay.io/example/two:2")
    bundle = load(small.make())
    bundle.verify(thorough=True)
    assert small.built == ["one", "two", "three"]
    assert any(f"two: no official chart and images ({nowhere} cannot" in line for line in small.said)
    assert bundle.part("two").chart is not None
    assert "version: 1.0.0" in (bundle.folder / "charts" / "two" / "Chart.yaml").read_text()


def test_images_without_a_chart_are_built_where_their_registry_cannot_be_reached(
    small: Bench, nowhere: str
) -> None:
    images = Official(references=("docker.io/example/two:2",))
    small.parts["two"] = replace(small.parts["two"], official=images)
    small.make()
    assert "two" in small.built
    assert any(f"two: no official images ({nowhere} cannot" in line for line in small.said)


def test_a_new_pin_is_taken_in_place_of_the_old_one(small: Bench, server: ReleaseServer) -> None:
    _publish(server)
    small.make()
    _publish(server, version="2.1.0")
    newer = Official(replace(_CHART, version="2.1.0"))
    small.parts["two"] = replace(small.parts["two"], official=newer)
    assert load(small.make()).part("two").origin == "chart upstream 2.1.0"


def test_a_version_that_the_repository_lacks_is_an_error_and_no_reason_to_build(
    small: Bench, server: ReleaseServer
) -> None:
    _publish(server, version="1.9.0")
    why = f"{server.base}{_MIRRORED}/index.yaml has no upstream 2.0.0, but 1 other versions of it"
    assert _not_made(small) == why


def test_a_chart_that_is_listed_and_missing_is_an_error(small: Bench, server: ReleaseServer) -> None:
    _publish(server)
    del server.files[_ARCHIVE]
    assert "upstream-2.0.0.tgz: the server has no such file (404)" in _not_made(small)


def test_a_chart_with_another_digest_is_an_error_with_both(small: Bench, server: ReleaseServer) -> None:
    _publish(server)
    server.files[_ARCHIVE] = packed("upstream", "2.0.0", "quay.io/of/nobody:1")
    why = _not_made(small)
    assert "found sha256 " in why
    assert ", expected " in why


@pytest.mark.parametrize("content", [b"<html>", b"entries: {upstream: [{version: 2.0.0, urls: [x]}]}"])
def test_an_index_that_is_none_is_an_error_with_its_address(
    small: Bench, server: ReleaseServer, content: bytes
) -> None:
    server.files[f"{_MIRRORED}/index.yaml"] = content
    assert f"{server.base}{_MIRRORED}/index.yaml gives no address and digest of upstream" in _not_made(small)


def test_a_file_that_is_no_chart_is_an_error_with_its_address(small: Bench, server: ReleaseServer) -> None:
    server.files[f"{_MIRRORED}/index.yaml"] = index("upstream", {"2.0.0": b"a page"})
    server.files[_ARCHIVE] = b"a page"
    assert f"{server.base}{_ARCHIVE} is no chart" in _not_made(small)


def test_a_repository_that_has_no_time_or_cuts_is_asked_again(small: Bench, server: ReleaseServer) -> None:
    _publish(server)
    server.put_off = [503, 429]
    server.cut_after = [10_000, 20]
    assert load(small.make()).part("two").origin == "chart upstream 2.0.0"


def test_a_chart_that_is_cut_each_time_leaves_nothing_half_and_is_taken_by_the_next_run(
    small: Bench, server: ReleaseServer
) -> None:
    _publish(server)
    server.cut_after = [10_000, 20, 1, 1, 1]
    assert "cut or put off 4 times, run it again later" in _not_made(small)
    assert load(small.make()).part("two").origin == "chart upstream 2.0.0"


def test_a_chart_that_lies_on_another_server_is_taken_from_there(small: Bench, server: ReleaseServer) -> None:
    _publish(server, folder="https://files.example.com/charts/")
    server.files["/files.example.com/charts/upstream-2.0.0.tgz"] = server.files.pop(_ARCHIVE)
    small.make()
    assert _asked(server)[-1] == "/files.example.com/charts/upstream-2.0.0.tgz"


def test_an_index_that_names_the_mirror_itself_is_followed(small: Bench, server: ReleaseServer) -> None:
    _publish(server, folder=f"{server.base}/stored/")
    server.files["/stored/upstream-2.0.0.tgz"] = server.files.pop(_ARCHIVE)
    small.make()
    assert _asked(server)[-1] == "/stored/upstream-2.0.0.tgz"


def test_an_image_that_is_named_by_its_digest_is_refused_by_name(small: Bench, server: ReleaseServer) -> None:
    _publish(server, f"quay.io/example/two@sha256:{'0' * 64}")
    assert "two@sha256:0000" in _not_made(small)


@pytest.mark.parametrize("variable", ["A1_CHARTS", "A1_REGISTRIES"])
def test_a_mirror_that_is_no_address_is_refused_and_not_taken_for_one_that_is_away(
    small: Bench, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "mirror.example.com")
    assert f"{variable}: found 'mirror.example.com', expected an address" in _not_made(small)


def test_grafana_is_left_out_only_while_no_part_came_with_its_image(small: Bench) -> None:
    folder = small.make(["one"])
    listed = json.loads((folder / "bundle.json").read_text())
    listed["parts"]["one"]["images"][0]["references"] = ["docker.io/grafana/grafana:12.1.0"]
    (folder / "bundle.json").write_text(json.dumps(listed))
    assert "grafana" not in load(small.make(["three"])).left_out
    (small.recipes / "one.py").write_text("changed")
    assert "grafana" in load(small.make(["one"])).left_out


def test_without_a_mirror_each_place_is_asked_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A1_CHARTS")
    monkeypatch.delenv("A1_REGISTRIES")
    places = Places()
    assert places.chart_address(f"{_REPOSITORY}/index.yaml") == f"{_REPOSITORY}/index.yaml"
    assert places.image("quay.io/example/two:2") == "quay.io/example/two:2"
    assert places.registry("quay.io/example/two:2") == "https://quay.io"
    assert places.registry("docker.io/example/two:2") == "https://index.docker.io"


def test_every_part_that_others_publish_has_an_official_place_and_ours_has_none() -> None:
    for name, part in PARTS.items():
        assert (part.official is None) == (name == "mcp-services"), name
        if part.official and part.chart:
            assert part.official.chart is not None, name
        elif part.official:
            assert part.official.references, name


def test_what_an_official_part_is_made_by_changes_with_its_pins() -> None:
    digests = {part.official.digest() for part in PARTS.values() if part.official}
    assert len(digests) == len(PARTS) - 1
    assert Official(_CHART).digest() != Official(replace(_CHART, version="2.1.0")).digest()
