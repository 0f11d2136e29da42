"""Which parts of a bundle are installed and have to be whole, and what is told of the services."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from a1platform.bundle import BundleError, file_digest, folder_digest, load
from a1platform.cluster.k3s import SYSTEM
from a1platform.platform.selection import image_parts, services_report
from a1platform.settings.platform import PlatformSettings
from a1platform.settings.services import ServicesSettings

OFF: Mapping[str, object] = {"enabled": False}
CHARTS = ("gatekeeper", "external-secrets", "keda", "argo-cd", "monitoring-crds", "monitoring")


def _part(folder: Path, name: str) -> dict[str, Any]:
    image, chart = folder / "images" / name / f"{name}.tar", folder / "charts" / name
    image.parent.mkdir(parents=True)
    image.write_text(name)
    listed = {"path": f"images/{name}/{name}.tar", "sha256": file_digest(image), "references": [f"{name}:1"]}
    part: dict[str, Any] = {"origin": "a test", "images": [listed]}
    if name in CHARTS:
        chart.mkdir(parents=True)
        (chart / "Chart.yaml").write_text(name)
        part["chart"] = {"path": f"charts/{name}", "version": "1.0.0", "sha256": folder_digest(chart)}
    return part


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of everything, without K3s."""
    parts = {name: _part(tmp_path, name) for name in ("system", "mcp-services", *CHARTS)}
    (tmp_path / "bundle.json").write_text(json.dumps({"schema": 1, "parts": parts}))
    return tmp_path


def _settings(off: Sequence[str]) -> tuple[PlatformSettings, ServicesSettings]:
    platform = PlatformSettings.model_validate({key: OFF for key in off if key != "services"})
    return platform, ServicesSettings(enabled="services" not in off)


def _verify(folder: Path, off: Sequence[str] = ()) -> None:
    """Do what the program does before anything is touched."""
    bundle = load(folder)
    bundle.verify((SYSTEM, *image_parts(*_settings(off), bundle)))


@pytest.mark.parametrize("name", ["system", "mcp-services", *CHARTS])
def test_a_damaged_part_that_is_installed_is_refused_by_name(folder: Path, name: str) -> None:
    _verify(folder)
    (folder / "images" / name / f"{name}.tar").write_text("another")
    with pytest.raises(BundleError, match=rf"{name}\.tar is not the file"):
        _verify(folder)


@pytest.mark.parametrize(
    ("key", "damaged"),
    [
        ("keda", "keda"),
        ("monitoring", "monitoring"),
        ("monitoring", "monitoring-crds"),
        # Without External Secrets they are left out.
        ("externalSecrets", "mcp-services"),
        ("services", "mcp-services"),
    ],
)
def test_a_damaged_part_that_is_not_installed_stops_nobody(folder: Path, key: str, damaged: str) -> None:
    (folder / "images" / damaged / f"{damaged}.tar").unlink()
    with pytest.raises(BundleError, match="is missing"):
        _verify(folder)
    _verify(folder, [key])


@pytest.mark.parametrize(
    ("held", "left_out", "off", "told"),
    [
        (True, {}, (), "a test"),
        (False, {"mcp-services": "not built: no answer"}, (), "left out: not built: no answer"),
        # The sandbox switches off what could not be built.
        (False, {"mcp-services": "not built: no answer"}, ("services",), "left out: not built: no answer"),
        (True, {}, ("services",), "left out: switched off in the settings"),
        (True, {}, ("externalSecrets",), "left out: without external-secrets"),
        (False, {}, (), "left out: the bundle has no image of them"),
    ],
)
def test_the_services_are_told_with_what_they_are_from_or_why_they_are_not_there(
    folder: Path, left_out: Mapping[str, str], off: Sequence[str], told: str, *, held: bool
) -> None:
    listed = json.loads((folder / "bundle.json").read_text())
    parts = {name: part for name, part in listed["parts"].items() if held or name != "mcp-services"}
    (folder / "bundle.json").write_text(json.dumps({**listed, "parts": parts, "leftOut": left_out}))
    assert services_report(*_settings(off), load(folder)) == told


def test_services_that_are_downloaded_are_told_with_their_image() -> None:
    image = f"registry.example.com/mcp-services@sha256:{'0' * 64}"
    settings = ServicesSettings(image=image)
    told = services_report(PlatformSettings(), settings, None)
    assert told == f"image {image}"


def test_a_bundle_without_the_services_is_whole_without_them(folder: Path) -> None:
    listed = json.loads((folder / "bundle.json").read_text())
    del listed["parts"]["mcp-services"]
    (folder / "bundle.json").write_text(json.dumps(listed))
    _verify(folder)


def test_a_bundle_without_what_k3s_starts_with_is_refused(folder: Path) -> None:
    listed = json.loads((folder / "bundle.json").read_text())
    del listed["parts"]["system"]
    (folder / "bundle.json").write_text(json.dumps(listed))
    with pytest.raises(BundleError, match="has no part system"):
        _verify(folder)
