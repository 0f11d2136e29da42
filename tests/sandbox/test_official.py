"""Charts from a repository and images from a real registry, on loopback. Needs neither node nor cluster."""

import json
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from a1platform.bundle import load
from a1platform.cli.bundle import app
from a1platform.platform.chart import Chart
from sandbox import chart_images
from sandbox.build.go import GoRecipe, build
from sandbox.bundle import PartsError, bundle_folder
from sandbox.cache import Cache
from sandbox.official import images
from sandbox.official.part import Official
from sandbox.progress import to_terminal
from sandbox.recipes.crane import PROGRAM
from tests.sandbox.registry import Front, push, registry
from tests.unit.sandbox.chart_server import index, packed
from tests.unit.sandbox.conftest import ReleaseServer, server
from tests.unit.sandbox.small_bundle import Bench

__all__ = ["server"]

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]

_IMAGE = "quay.io/example/two:2"
_OTHER = "docker.io/example/sidecar:3"


@pytest.fixture(scope="module")
def crane(cache: Cache) -> Path:
    return build(PROGRAM, cache, to_terminal) / "crane"


@pytest.fixture
def front(crane: Path) -> Iterator[Front]:
    """What stands before a registry that is empty."""
    with registry(crane) as serving:
        yield serving


@pytest.fixture
def publish(front: Front, crane: Path, tmp_path: Path) -> Callable[[str], None]:
    """Return what puts an image into the registry."""

    def put(reference: str) -> None:
        folder = tmp_path / f"pushed-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        push(crane, front.behind, reference, folder)

    return put


@pytest.fixture
def small(
    cache: Cache, server: ReleaseServer, front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    """A bundle of three small parts; of the second one the official chart asks for two images."""
    folder = tmp_path / "bench"
    folder.mkdir()
    bench = Bench(folder, monkeypatch)

    def built(recipe: GoRecipe, *_: object) -> Path:
        return build(recipe, cache, to_terminal)

    monkeypatch.setattr(chart_images, "build", built)
    monkeypatch.setattr(images, "build", built)
    monkeypatch.setattr(images, "_PAUSE_SECONDS", 0)
    monkeypatch.setenv("A1_CHARTS", server.base)
    monkeypatch.setenv("A1_REGISTRIES", front.base)
    archive = packed("upstream", "2.0.0", _IMAGE, _OTHER.removeprefix("docker.io/"))
    server.files["/charts.example.com/index.yaml"] = index("upstream", {"2.0.0": archive})
    server.files["/charts.example.com/upstream-2.0.0.tgz"] = archive
    official = Official(Chart("upstream", "2.0.0", "https://charts.example.com"))
    bench.parts["two"] = replace(bench.parts["two"], official=official)
    return bench


def _not_made(small: Bench) -> str:
    with pytest.raises(PartsError) as raised:
        small.make()
    assert list(raised.value.failures) == ["two"]
    assert "two" not in small.built
    folder = bundle_folder(small.cache)
    assert not (folder / "charts" / "two").exists()
    assert not list((folder / "images" / "two").rglob("*"))
    return raised.value.failures["two"]


def test_a_part_comes_with_its_images_under_the_names_that_its_chart_asks_for(
    small: Bench, publish: Callable[[str], None]
) -> None:
    publish(_IMAGE)
    publish(_OTHER)
    bundle = load(small.make())
    part = bundle.part("two")
    assert small.built == ["one", "three"]
    assert part.origin == "chart upstream 2.0.0, images from their registries"
    assert sorted(name for image in part.images for name in image.references) == [_OTHER, _IMAGE]
    for image in part.images:
        with tarfile.open(image.path) as archive:
            content = archive.extractfile("manifest.json")
            assert content is not None
            [manifest] = json.load(content)
            assert manifest["RepoTags"] == list(image.references)
            assert {manifest["Config"], *manifest["Layers"]} < set(archive.getnames())
    told = CliRunner().invoke(app, ["list", str(bundle.folder)], env={"COLUMNS": "200"}).output
    assert "chart upstream 2.0.0, images from their registries" in told
    assert CliRunner().invoke(app, ["verify", "--partial", str(bundle.folder)]).exit_code == 0


def test_an_image_in_the_bundle_can_be_put_into_a_registry_again(
    small: Bench, publish: Callable[[str], None], front: Front, crane: Path
) -> None:
    publish(_IMAGE)
    publish(_OTHER)
    for image in load(small.make()).part("two").images:
        command = [str(crane), "push", "--insecure", str(image.path), f"{front.behind}/again:1"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "@sha256:" in done.stdout


def test_a_second_run_asks_nobody(small: Bench, publish: Callable[[str], None], front: Front) -> None:
    publish(_IMAGE)
    publish(_OTHER)
    small.make()
    front.asked.clear()
    small.make()
    assert (small.built, front.asked) == ([], [])


def test_an_image_that_the_registry_lacks_is_an_error_with_its_name_and_no_reason_to_build(
    small: Bench, publish: Callable[[str], None]
) -> None:
    publish(_OTHER)
    assert f"{_IMAGE}: the registry has no such image for us" in _not_made(small)


def test_images_that_one_run_has_taken_are_not_taken_again_by_the_next(
    small: Bench, publish: Callable[[str], None], front: Front
) -> None:
    publish(_OTHER)
    _not_made(small)
    publish(_IMAGE)
    front.asked.clear()
    load(small.make()).verify(thorough=True)
    assert not [path for path in front.asked if "sidecar" in path]


def test_a_registry_that_cuts_or_has_no_time_is_asked_again(
    small: Bench, publish: Callable[[str], None], front: Front
) -> None:
    publish(_IMAGE)
    publish(_OTHER)
    front.cuts, front.put_off = 1, [429]
    bundle = load(small.make())
    bundle.verify(thorough=True)
    assert bundle.part("two").origin.startswith("chart upstream 2.0.0")


def test_an_image_that_is_cut_each_time_leaves_nothing_half_and_is_taken_by_the_next_run(
    small: Bench, publish: Callable[[str], None], front: Front
) -> None:
    publish(_IMAGE)
    publish(_OTHER)
    front.cuts = 3
    assert f"{_OTHER}: cut or put off 3 times, run it again later: " in _not_made(small)
    assert front.cuts == 0
    assert load(small.make()).part("two").origin.startswith("chart upstream 2.0.0")


def test_a_part_is_built_where_its_registry_stops_answering(
    small: Bench, publish: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(_IMAGE)
    monkeypatch.setenv("A1_REGISTRIES", "http://127.0.0.1:1")
    # As if it had answered a moment before.
    monkeypatch.setattr("sandbox.official.places.Places.require", lambda *_: None)
    small.make()
    assert "two" in small.built
    said = next(line for line in small.said if line.startswith("two: no official chart and images"))
    assert "connection refused" in said
