"""Upstream's manifests are put beside our templates, and every change of a chart shows in its version."""

from pathlib import Path

import pytest

from sandbox.build import chart
from sandbox.build.chart import ChartError, documents, own_chart, set_version, without_descriptions

_STREAM = """\
# Generated.
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    name: not-this
  name: things.example.com
spec:
  names: {kind: Thing}
---
apiVersion: v1
kind: Service
metadata:
  labels:
    app: thing
  name: thing
---

---
apiVersion: v1
kind: Namespace
metadata:
  name: things
"""


@pytest.fixture
def charts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "charts"
    (folder / "thing" / "templates").mkdir(parents=True)
    (folder / "thing" / "Chart.yaml").write_text("name: thing\nversion: 0.0.0\nappVersion: 0.0.0\n")
    (folder / "thing" / "templates" / "all.yaml").write_text("{{ 1 }}\n")
    monkeypatch.setattr(chart, "CHARTS", folder)
    return folder


def test_a_stream_is_taken_apart_by_kind_and_name() -> None:
    assert [(one.kind, one.name) for one in documents(_STREAM)] == [
        ("CustomResourceDefinition", "things.example.com"),
        ("Service", "thing"),
        ("Namespace", "things"),
    ]


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(ChartError, match=r"no object: <html>"):
        list(documents("<html>\n"))


def test_kinds_and_objects_lie_beside_our_templates(charts: Path, tmp_path: Path) -> None:
    assert charts.is_dir()
    out = tmp_path / "out"
    own_chart("thing", out, _STREAM, without=("Namespace",))
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == [
        "Chart.yaml",
        "files/crds/things.example.com.yaml",
        "files/objects/service-thing.yaml",
        "templates/all.yaml",
    ]


def test_the_version_changes_with_any_file_and_with_nothing_else(charts: Path, tmp_path: Path) -> None:
    versions = []
    other = _STREAM.replace("app: thing", "app: it")
    for name, text in (("one", _STREAM), ("two", _STREAM), ("three", other)):
        own_chart("thing", tmp_path / name, text)
        versions.append(set_version(tmp_path / name, "1.2.3", "v1.2.3"))
    assert versions[0] == versions[1] != versions[2]
    assert all(version.startswith("1.2.3+") for version in versions)
    text = (tmp_path / "one" / "Chart.yaml").read_text()
    assert f'version: "{versions[0]}"' in text
    assert 'appVersion: "v1.2.3"' in text
    assert charts.is_dir()


def test_a_crd_loses_its_descriptions_and_keeps_a_property_of_that_name() -> None:
    text = """\
spec:
  openAPIV3Schema:
    description: |-
      Several lines.

      And more: of them.
    properties:
      description:
        description: 'What it is:
          in words.'
        type: string
      name:
        type: string
        description: last
"""
    assert (
        without_descriptions(text)
        == """\
spec:
  openAPIV3Schema:
    properties:
      description:
        type: string
      name:
        type: string
"""
    )
