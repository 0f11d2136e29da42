"""The bundle is made part by part: what fails is named, the others go on, and the next run resumes there."""

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from a1platform import bundle as reading
from a1platform.bundle import BundleError, file_digest, load
from sandbox import bundle as making
from sandbox import side_by_side
from sandbox.build.go import GO_FOLDERS
from sandbox.build.image import ImageFile
from sandbox.bundle import PartsError, chosen, held_parts, make_bundle
from sandbox.cache import Cache
from sandbox.parts import PARTS, Part
from sandbox.progress import Progress
from tests.unit.sandbox.small_bundle import Bench


def test_a_bundle_holds_every_part_whole(small: Bench) -> None:
    bundle = load(small.make())
    bundle.verify(thorough=True)
    assert sorted(bundle.parts) == ["one", "three", "two"]
    assert bundle.part("one").images[0].path.name == "one.tar"
    assert bundle.left_out == {"grafana": "Grafana, on no package registry"}


def test_a_second_run_builds_nothing_and_says_at_once_what_is_there(small: Bench) -> None:
    small.make()
    small.make()
    assert small.built == []
    assert small.ready == ["one", "two", "three"]


def test_a_warm_run_takes_less_than_a_second(small: Bench) -> None:
    small.make()
    start = time.monotonic()
    small.make()
    assert time.monotonic() - start < 1


def test_each_part_can_be_used_while_others_are_built(small: Bench) -> None:
    seen: list[list[str]] = []

    def on_part(name: str) -> None:
        bundle = load(making.bundle_folder(small.cache))
        bundle.verify([name])
        seen.append(sorted(bundle.parts))

    make_bundle(small.cache, small.said.append, on_part=on_part)
    assert seen == [["one"], ["one", "two"], ["one", "three", "two"]]


def test_what_another_run_is_making_is_not_taken_for_left_over(small: Bench) -> None:
    made = small.make() / "images" / "four" / "four.tar"
    made.parent.mkdir()
    made.touch()
    with small.cache.lock(GO_FOLDERS, shared=True):
        small.make()
        assert made.exists()
    small.make()
    assert not made.exists()


def test_a_part_is_made_while_another_is(small: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "available_memory", lambda _: 2**40)
    met = threading.Barrier(2)

    def images(make: Callable[[Cache, Progress], Sequence[ImageFile]]) -> Part:
        def waits(cache: Cache, progress: Progress) -> Sequence[ImageFile]:
            met.wait(10)
            return make(cache, progress)

        return replace(small.parts[name], images=waits)

    for name in ("one", "two"):
        small.parts[name] = images(small.parts[name].images)
    assert sorted(load(small.make()).parts) == ["one", "three", "two"]
    assert sorted(small.ready) == ["one", "three", "two"]


def test_a_part_that_fails_is_named_with_its_last_lines_and_the_others_go_on(small: Bench) -> None:
    small.broken = {"two"}
    with pytest.raises(PartsError) as raised:
        small.make()
    assert list(raised.value.failures) == ["two"]
    assert str(raised.value).startswith("not made: two; run it again, and it goes on there\n")
    assert "line 39" in str(raised.value)
    assert "line 3\n" not in str(raised.value)
    assert small.ready == ["one", "three"]
    bundle = load(raised.value.folder)
    assert sorted(bundle.parts) == ["one", "three"]
    assert "line 39" in bundle.left_out["two"]


def test_a_part_whose_chart_asks_for_an_image_that_nobody_holds_is_not_made_and_the_image_named(
    small: Bench,
) -> None:
    small.asks = {
        "one": "docker.io/example/one:1",
        "two": "docker.io/example/one:1",
        "three": "example/three:2",
    }
    with pytest.raises(PartsError, match=r"three: the chart asks for docker\.io/example/three:2: in no part"):
        small.make()
    bundle = load(making.bundle_folder(small.cache))
    assert sorted(bundle.parts) == ["one", "two"]
    assert "docker.io/example/three:2" in bundle.left_out["three"]


def test_an_image_that_only_an_earlier_recipe_of_the_part_made_is_not_held(small: Bench) -> None:
    folder = small.make()
    listed = json.loads((folder / "bundle.json").read_text())
    listed["parts"]["two"] |= {"recipe": "older"}
    listed["parts"]["two"]["images"][0]["references"] = ["docker.io/example/two:0"]
    (folder / "bundle.json").write_text(json.dumps(listed))
    small.asks = {"two": "example/two:0"}
    with pytest.raises(PartsError, match=r"docker\.io/example/two:0"):
        small.make()


def test_the_next_run_resumes_with_what_failed(small: Bench) -> None:
    small.broken = {"two"}
    with pytest.raises(PartsError):
        small.make()
    small.broken = set()
    bundle = load(small.make())
    assert small.built == ["two"]
    assert "two" not in bundle.left_out


def test_an_interrupted_run_resumes_with_what_is_missing(small: Bench) -> None:
    def interrupted(_cache: Cache, _progress: Progress) -> Sequence[ImageFile]:
        raise KeyboardInterrupt

    whole = small.parts["two"]
    small.parts["two"] = replace(whole, images=interrupted)
    with pytest.raises(KeyboardInterrupt):
        small.make()
    assert list(load(making.bundle_folder(small.cache)).parts) == ["one"]
    small.parts["two"] = whole
    small.make()
    assert small.built == ["two", "three"]


def test_a_changed_recipe_is_built_again_and_nothing_else(small: Bench) -> None:
    before = load(small.make()).part("two").images[0].sha256
    (small.recipes / "two.py").write_text("changed")
    after = load(small.make()).part("two").images[0].sha256
    assert small.built == ["two"]
    assert before != after


def test_an_image_that_a_run_may_be_sending_stays_until_the_next_run(small: Bench) -> None:
    before = load(small.make()).part("two").images[0].path
    (small.recipes / "two.py").write_text("changed")
    after = load(small.make()).part("two").images[0].path
    assert before.is_file()
    assert before.parent != after.parent
    small.make()
    assert not before.parent.exists()
    assert after.is_file()


def test_making_it_again_leaves_nothing_beside_the_files(small: Bench) -> None:
    folder = small.make()
    listed = json.loads((folder / "bundle.json").read_text())
    listed["parts"]["two"]["recipe"] = "older"
    (folder / "bundle.json").write_text(json.dumps(listed))
    small.make()
    assert small.built == ["two"]
    assert [path.name for path in (folder / "images" / "two").rglob("*.tar")] == ["two.tar"]
    assert not list(folder.rglob("*.partial"))


@pytest.mark.parametrize("damage", ["changed", "removed", "chart"])
def test_a_damaged_part_is_named_and_made_again(small: Bench, damage: str) -> None:
    folder = small.make()
    small.said.clear()
    image = load(folder).part("two").images[0].path
    if damage == "changed":
        image.write_bytes(b"x")
    elif damage == "removed":
        image.unlink()
    else:
        shutil.rmtree(folder / "charts" / "two")
    load(small.make()).verify(thorough=True)
    assert small.built == ["two"]
    place = folder / "charts" / "two" if damage == "chart" else image
    assert small.said[0].startswith(f"two: {place} is ")


def test_a_part_that_was_just_made_is_not_read_again(small: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small.make()
    read: list[Path] = []

    def watched(path: Path) -> str:
        read.append(path)
        return file_digest(path)

    monkeypatch.setattr(reading, "file_digest", watched)
    load(folder).verify()
    assert not [path for path in read if path.suffix == ".tar"]


def test_what_can_be_installed_while_parts_are_made_anew_is_what_is_whole_of_them(small: Bench) -> None:
    folder = small.make(["one", "two"])
    (small.recipes / "one.py").write_text("changed")
    load(folder).part("two").images[0].path.unlink()
    assert held_parts(small.cache) == ["one"]
    (folder / "bundle.json").write_text("{")
    assert held_parts(small.cache) == []


@pytest.mark.parametrize("damaged", [True, False])
def test_a_damaged_part_that_cannot_be_made_again_is_told_with_that_reason(
    small: Bench, *, damaged: bool
) -> None:
    folder = small.make()
    if damaged:
        load(folder).part("two").images[0].path.unlink()
    else:
        (small.recipes / "two.py").write_text("changed")
    small.broken = {"two"}
    with pytest.raises(PartsError):
        small.make()
    bundle = load(folder)
    # What an earlier recipe made is whole, and goes on.
    assert ("two" in bundle.left_out) == damaged
    assert "two" in bundle.parts
    small.broken = set()
    assert "two" not in load(small.make()).left_out


def test_only_the_parts_that_are_asked_for_are_made(small: Bench) -> None:
    assert list(load(small.make(["three"])).parts) == ["three"]


def test_an_unknown_part_is_refused_before_anything_is_built(small: Bench) -> None:
    with pytest.raises(BundleError, match="unknown parts: tow; known are one, two, three"):
        small.make(["one", "tow"])
    assert small.built == []


def test_the_real_parts_are_those_that_the_platform_knows() -> None:
    assert set(PARTS) == {
        "system",
        "monitoring-crds",
        "mcp-services",
        "gatekeeper",
        "external-secrets",
        "monitoring",
        "keda",
        "argo-cd",
        "tracing",
    }
    assert [part.name for part in chosen(["monitoring"])] == ["monitoring-crds", "monitoring"]
    assert [part.name for part in chosen(["mcp-services"])] == ["mcp-services", "external-secrets"]


def test_an_optional_part_is_made_only_where_it_is_asked_for_alone_or_with_all_others() -> None:
    usual = [part.name for part in chosen(None)]
    assert "tracing" not in usual
    assert [part.name for part in chosen(["tracing"])] == ["tracing"]
    assert [part.name for part in chosen(["system", "+tracing"])] == [*usual, "tracing"]


def test_every_source_of_a_real_part_is_there() -> None:
    for part in PARTS.values():
        assert all(source.exists() for source in part.sources), part.name
        assert json.dumps(making.recipe_digest(part))


def test_a_change_of_our_own_chart_or_of_a_recipe_that_another_uses_makes_a_part_anew() -> None:
    sandbox = Path(making.__file__).parent
    for part in PARTS.values():
        chart = sandbox / "charts" / part.name
        assert not chart.is_dir() or chart in part.sources, part.name
        recipes = [path for path in part.sources if path.parent == sandbox / "recipes" and path.is_file()]
        assert recipes, part.name
        used = {
            sandbox / "recipes" / f"{name}.py"
            for path in recipes
            for name in re.findall(r"^from sandbox\.recipes\.(\w+) import", path.read_text(), re.MULTILINE)
        }
        assert used <= set(part.sources), part.name
