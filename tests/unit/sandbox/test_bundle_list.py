"""What is put into a bundle beside its parts is what it is taken for, and stays what it was."""

import contextlib
from pathlib import Path

import pytest

from a1platform.bundle import BundleError, folder_digest, load
from sandbox import bundle as making
from sandbox import bundle_list
from sandbox.build.chart import ChartError
from sandbox.bundle import PartsError, ready_parts
from sandbox.bundle_list import add_chart, add_k3s
from tests.unit.sandbox.small_bundle import Bench, write_chart


@pytest.mark.parametrize("next_comes", ["k3s", "another part", "a part that fails", "a chart"])
def test_what_is_put_in_beside_a_damaged_file_does_not_pass_it_for_whole(
    small: Bench, tmp_path: Path, next_comes: str
) -> None:
    folder = small.make(["one", "two"])
    load(folder).part("two").images[0].path.write_bytes(b"x")
    if next_comes == "k3s":
        (tmp_path / "k3s").write_bytes(b"\x7fELF")
        add_k3s(folder, "v1.30.5+k3s1", tmp_path / "k3s", "Go modules")
    elif next_comes == "a chart":
        chart = write_chart(tmp_path / "upstream", "9.3.0")
        add_chart(folder, "one", chart, "chart 9.3.0 of upstream", small.said.append)
    else:
        small.broken = {"three"} if next_comes == "a part that fails" else set()
        with contextlib.suppress(PartsError):
            small.make(["three"])
    assert ready_parts(small.cache, ["one", "two"]) == (["one"], ["two"])


def test_k3s_is_added_beside_the_parts(small: Bench, tmp_path: Path) -> None:
    program = tmp_path / "k3s"
    program.write_bytes(b"\x7fELF")
    folder = making.bundle_folder(small.cache)
    path = add_k3s(folder, "v1.30.5+k3s1", program, "Go modules")
    bundle = load(small.make())
    assert bundle.k3s is not None
    assert bundle.k3s.path == path
    assert bundle.k3s.origin == "Go modules"
    bundle.verify(thorough=True)


def test_k3s_that_is_there_is_not_read_again(
    small: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "cache" / "programs" / "k3s"
    program.parent.mkdir(parents=True)
    program.write_bytes(b"\x7fELF")
    folder = making.bundle_folder(small.cache)
    add_k3s(folder, "v1.30.5+k3s1", program, "Go modules")
    monkeypatch.setattr(bundle_list, "file_digest", pytest.fail)
    add_k3s(folder, "v1.30.5+k3s1", program, "Go modules")
    load(folder).verify(thorough=True)


def test_a_k3s_that_was_changed_in_its_place_is_refused_by_name(small: Bench, tmp_path: Path) -> None:
    program = tmp_path / "cache" / "programs" / "k3s"
    program.parent.mkdir(parents=True)
    program.write_bytes(b"\x7fELF")
    folder = making.bundle_folder(small.cache)
    path = add_k3s(folder, "v1.30.5+k3s1", program, "Go modules")
    path.write_bytes(b"another program")
    with pytest.raises(BundleError, match=f"{path} is not the file .*; remove {program}, run it again"):
        add_k3s(folder, "v1.30.5+k3s1", program, "Go modules")
    program.unlink()
    program.write_bytes(b"\x7fELF")
    add_k3s(folder, "v1.30.5+k3s1", program, "Go modules")
    load(folder).verify(thorough=True)


def test_another_k3s_takes_the_place_of_the_first(small: Bench, tmp_path: Path) -> None:
    folder = making.bundle_folder(small.cache)
    for content in (b"one", b"two"):
        program = tmp_path / content.decode()
        program.write_bytes(content)
        path = add_k3s(folder, "v1.30.5+k3s1", program, "Go modules")
        assert path.read_bytes() == content
        load(folder).verify(thorough=True)


def test_another_chart_can_take_the_place_of_ours_and_stays(small: Bench, tmp_path: Path) -> None:
    folder = small.make()
    # An image of another part is one too.
    chart = write_chart(tmp_path / "upstream", "9.3.0", "example/one:1")
    add_chart(folder, "two", chart, "chart 9.3.0 of upstream", small.said.append)
    part = load(small.make()).part("two")
    assert small.built == []
    assert part.origin == "chart 9.3.0 of upstream"
    assert part.chart is not None
    assert part.chart.version == "9.3.0"
    load(folder).verify(thorough=True)


def test_what_is_no_chart_is_not_put_in(small: Bench, tmp_path: Path) -> None:
    folder = small.make()
    with pytest.raises(BundleError, match="is no chart"):
        add_chart(folder, "two", tmp_path, "x", small.said.append)
    load(folder).verify(thorough=True)


def test_a_chart_that_asks_for_other_images_than_there_are_is_not_put_in_and_they_are_named(
    small: Bench, tmp_path: Path
) -> None:
    folder = small.make()
    before = folder_digest(folder)
    chart = write_chart(tmp_path / "upstream", "9.3.0", "quay.io/example/two:2")
    with pytest.raises(ChartError, match=r"asks for quay\.io/example/two:2: in no part of the bundle"):
        add_chart(folder, "two", chart, "chart 9.3.0 of upstream", small.said.append)
    assert folder_digest(folder) == before


def test_a_chart_that_does_not_take_our_values_is_not_put_in(small: Bench, tmp_path: Path) -> None:
    folder = small.make()
    before = folder_digest(folder)
    small.helm.write_text("#!/bin/sh\necho 'values do not meet the schema' >&2\nexit 1\n")
    with pytest.raises(ChartError, match="with our values: values do not meet the schema"):
        add_chart(folder, "two", write_chart(tmp_path / "upstream", "9.3.0"), "x", small.said.append)
    assert folder_digest(folder) == before


def test_a_damaged_list_is_made_anew(small: Bench) -> None:
    folder = small.make()
    (folder / "bundle.json").write_text("{")
    load(small.make()).verify()
    assert small.built == ["one", "two", "three"]
