"""A bundle is read only when it is what its list says; whatever is wrong is named."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from a1platform import bundle as reading
from a1platform.bundle import BundleError, file_digest, folder_digest, load
from a1platform.cli.main import app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    for name in (
        "k3s/k3s",
        "plugins/pulumi-v3/pulumi",
        "images/keda/keda.tar",
        "charts/keda/Chart.yaml",
        "charts/keda/templates/a.yaml",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    image = root / "images" / "keda" / "keda.tar"
    keda = {
        "images": [
            {
                "path": "images/keda/keda.tar",
                "sha256": file_digest(image),
                "references": ["ghcr.io/kedacore/keda:2.17.2"],
            }
        ],
        "chart": {
            "path": "charts/keda",
            "version": "2.17.2+abc",
            "sha256": folder_digest(root / "charts" / "keda"),
        },
        "origin": "upstream manifests v2.17.2",
        "recipe": "not the reader's business",
    }
    k3s = {
        "version": "v1.30.5+k3s1",
        "path": "k3s/k3s",
        "sha256": file_digest(root / "k3s/k3s"),
        "origin": "Go",
    }
    pulumi = {
        "name": "pulumi",
        "version": "3",
        "machine": "x86_64",
        "path": "plugins/pulumi-v3/pulumi",
        "sha256": file_digest(root / "plugins/pulumi-v3/pulumi"),
        "origin": "official release",
    }
    listed = {"schema": 1, "k3s": k3s, "plugins": [pulumi], "parts": {"keda": keda}}
    (root / "bundle.json").write_text(json.dumps({**listed, "leftOut": {"grafana": "no registry"}}))
    return root


def _change(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    listed = json.loads((folder / "bundle.json").read_text())
    change(listed)
    (folder / "bundle.json").write_text(json.dumps(listed))


def test_a_bundle_says_what_it_holds_and_what_it_leaves_out(folder: Path) -> None:
    bundle = load(folder)
    keda = bundle.part("keda")
    assert keda.images[0].references == ("ghcr.io/kedacore/keda:2.17.2",)
    assert keda.images[0].path == folder / "images/keda/keda.tar"
    assert keda.chart is not None
    assert keda.chart.path == folder / "charts/keda"
    assert bundle.k3s is not None
    assert bundle.k3s.path == folder / "k3s/k3s"
    assert bundle.left_out == {"grafana": "no registry"}
    bundle.verify()


def test_the_list_itself_may_be_named(folder: Path) -> None:
    assert load(folder / "bundle.json") == load(folder)


@pytest.mark.parametrize("name", ["k3s/k3s", "plugins/pulumi-v3/pulumi", "images/keda/keda.tar"])
def test_a_changed_file_is_refused_and_named(folder: Path, name: str) -> None:
    load(folder).verify()
    (folder / name).write_text("another")
    with pytest.raises(BundleError, match=rf"{name} is not the file"):
        load(folder).verify()


def test_a_changed_file_of_the_same_size_and_time_is_refused(folder: Path) -> None:
    load(folder).verify()
    image = folder / "images/keda/keda.tar"
    before = image.stat()
    image.write_text(image.read_text().swapcase())
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(BundleError, match=r"keda\.tar is not the file"):
        load(folder).verify()


def test_a_missing_file_is_refused_and_named(folder: Path) -> None:
    (folder / "images/keda/keda.tar").unlink()
    with pytest.raises(BundleError, match=r"keda\.tar is missing"):
        load(folder).verify()


@pytest.mark.parametrize("change", ["changed", "added", "removed"])
def test_a_chart_with_another_file_is_refused_and_named(folder: Path, change: str) -> None:
    chart = folder / "charts" / "keda"
    if change == "changed":
        (chart / "Chart.yaml").write_text("another")
    elif change == "added":
        (chart / "templates" / "b.yaml").write_text("")
    else:
        (chart / "templates" / "a.yaml").unlink()
    with pytest.raises(BundleError, match="charts/keda is not the chart"):
        load(folder).verify()


def test_what_was_seen_is_not_read_again_unless_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(folder).verify()
    read: list[Path] = []

    def watched(path: Path) -> str:
        read.append(path)
        return file_digest(path)

    monkeypatch.setattr(reading, "file_digest", watched)
    load(folder).verify()
    assert not [path for path in read if path.suffix == ".tar"]
    load(folder).verify(thorough=True)
    assert [path for path in read if path.suffix == ".tar"]


def test_only_the_parts_that_are_asked_for_are_checked(folder: Path) -> None:
    (folder / "images/keda/keda.tar").unlink()
    (folder / "plugins/pulumi-v3/pulumi").unlink()
    load(folder).verify([])


def test_a_part_that_is_not_there_is_refused_with_the_bundles_own_reason(folder: Path) -> None:
    with pytest.raises(BundleError, match="has no part grafana: no registry; it holds keda"):
        load(folder).part("grafana")


def test_no_bundle_at_all_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle in .*nothing: No such file"):
        load(tmp_path / "nothing")


def test_a_list_that_is_cut_off_is_named(folder: Path) -> None:
    text = (folder / "bundle.json").read_text()
    (folder / "bundle.json").write_text(text[: len(text) // 2])
    with pytest.raises(BundleError, match=r"bundle\.json is not a bundle's list"):
        load(folder)


def test_a_wrong_entry_is_named_by_its_place(folder: Path) -> None:
    _change(folder, lambda listed: listed["parts"]["keda"]["images"][0].update(sha256="short"))
    with pytest.raises(BundleError, match=r"parts\.keda\.images\.0\.sha256"):
        load(folder)


def test_a_list_that_leads_out_of_the_bundle_is_refused(folder: Path) -> None:
    _change(folder, lambda listed: listed["k3s"].update(path="../../etc/shadow"))
    with pytest.raises(BundleError, match="outside of the bundle"):
        load(folder)


def test_another_schema_is_refused(folder: Path) -> None:
    _change(folder, lambda listed: listed.update(schema=2))
    with pytest.raises(BundleError, match="schema 2, this program reads schema 1"):
        load(folder)


def test_a_bundle_that_nobody_may_write_to_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refuse)
    load(folder).verify()


def test_a1_bundle_lists_and_verifies(folder: Path) -> None:
    listed = CliRunner().invoke(app, ["bundle", "list", str(folder)])
    assert listed.exit_code == 0
    assert "upstream manifests v2.17.2" in listed.stdout
    assert re.search(r"pulumi .* 3 .* official release", listed.stdout)
    assert "left out: grafana (no registry)" in listed.stdout
    assert CliRunner().invoke(app, ["bundle", "verify", "--partial", str(folder)]).exit_code == 0
    (folder / "k3s/k3s").write_text("another")
    answer = CliRunner().invoke(app, ["bundle", "verify", str(folder)])
    assert answer.exit_code == 1
    assert "k3s/k3s is not the file that bundle.json describes" in answer.stderr.replace("\n", " ")
