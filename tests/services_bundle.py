"""A small bundle, whole by its digests, from which the services could be installed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from a1platform.bundle import FILE, SCHEMA, Bundle, file_digest, folder_digest, load
from a1platform.versions import K3S

SERVICES_IMAGE = "docker.io/a1platform/mcp-services:0.1.0"
"""The services' image by its version; its other name has a hyphen and its content behind it."""


def services_bundle(folder: Path, content: str, charts: Sequence[str] = ("external-secrets",)) -> Bundle:
    """Return a bundle of K3s, the services and parts that consist of a chart alone.

    Args:
        folder: Where it is made.
        content: What is in the services' image.
        charts: The parts; those that the services wait for by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [SERVICES_IMAGE, f"{SERVICES_IMAGE}-{content}"]
    parts: dict[str, dict[str, Any]] = {name: {"chart": _chart(folder, name)} for name in charts}
    parts |= {
        "system": {"images": [{**_file(folder, "pause.tar", "pause"), "references": ["pause:1"]}]},
        "mcp-services": {"images": [{**_file(folder, "mcp-services.tar", content), "references": names}]},
    }
    listed = {
        "schema": SCHEMA,
        "k3s": {"version": K3S, **_file(folder, "k3s", "k3s"), "origin": "of a test"},
        "parts": {name: {"origin": "of a test", **part} for name, part in parts.items()},
    }
    (folder / FILE).write_text(json.dumps(listed), encoding="utf-8")
    return load(folder)


def _chart(folder: Path, name: str) -> dict[str, Any]:
    chart = folder / "charts" / name
    chart.mkdir(parents=True, exist_ok=True)
    (chart / "Chart.yaml").write_text(f"name: {name}\nversion: 0.0.1\nappVersion: v0.0.1\n")
    return {"path": f"charts/{name}", "version": "0.0.1", "sha256": folder_digest(chart)}


def _file(folder: Path, name: str, content: str) -> dict[str, Any]:
    (folder / name).write_text(content)
    return {"path": name, "sha256": file_digest(folder / name)}
