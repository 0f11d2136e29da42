"""The bundle's list, bundle.json, and what is put into the folder beside it."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from a1platform.bundle import (
    FILE,
    SCHEMA,
    BundleError,
    file_digest,
    file_stamp,
    folder_digest,
    load,
    read_memo,
    write_memo,
)
from sandbox.cache import Cache
from sandbox.chart_images import rendered, require_images
from sandbox.parts import LEFT_OUT
from sandbox.progress import Progress


def add_k3s(folder: Path, version: str, file: Path, origin: str) -> Path:
    """Put the K3s program into a bundle.

    Args:
        folder: The bundle's folder; made if it is missing.
        version: Such as `v1.30.5+k3s1`.
        file: The program.
        origin: What it was made from, in words.

    Returns:
        Its path in the bundle.

    Raises:
        BundleError: The program was changed since it was put there.
    """
    path = "k3s/k3s"
    listed = read_list(folder)["k3s"]
    digest, written = put(folder, path, file, listed["sha256"] if listed else None)
    entry = {"version": version, "path": path, "sha256": digest, "origin": origin}
    update(folder, lambda listed: {**listed, "k3s": entry}, written)
    return folder / path


def put(folder: Path, path: str, file: Path, listed: str | None) -> tuple[str, dict[str, str]]:
    """Put a program into a bundle, or find it there; it is not read again when nobody has touched it.

    Args:
        folder: The bundle's folder; made if it is missing.
        path: Where the program goes, below the folder.
        file: The program.
        listed: The digest that the list gives for the path, None where it gives none.

    Returns:
        The digest, and what `update` is to be told as written.

    Raises:
        BundleError: The program was changed since it was put there.
    """
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    seen = read_memo(folder).get(path, [])
    same = target.is_file() and target.samefile(file)
    untouched = bool(seen) and seen[1:] == file_stamp(target)
    if untouched and same:
        return str(seen[0]), {}
    digest = file_digest(file)
    # A copy, where the file systems differ.
    if untouched and seen[0] == digest:
        return digest, {}
    # Two names of one file: whoever changed the one has changed the other.
    if same and listed and listed != digest:
        raise BundleError(f"{target} is not the file that {FILE} describes; remove {file}, run it again")
    link(file, target)
    return digest, {path: digest}


def add_chart(folder: Path, part: str, chart: Path, origin: str, progress: Progress) -> Path:
    """Put another chart into a part that is there, such as upstream's own in place of ours.

    It stays until the part's recipe changes.

    Args:
        folder: The bundle's folder.
        part: The part's name.
        chart: The chart's folder, with its dependencies in it.
        origin: What it is, in words.
        progress: Takes a line now and then while Helm is built, where it is not there yet.

    Returns:
        Its path in the bundle.

    Raises:
        BundleError: The part is not there, or the folder holds no chart.
        ChartError: It asks for an image that the bundle does not hold, or does not take our values.
        BuildError: Helm cannot be built.
    """
    bundle = load(folder)
    found = bundle.part(part)
    file = chart / "Chart.yaml"
    version = (
        re.search(r"^version: *[\"']?([^\s\"']+)", file.read_text(), re.MULTILINE) if file.is_file() else None
    )
    if version is None:
        raise BundleError(f"{chart} is no chart: found no version in a Chart.yaml there")
    cache = Cache(folder.parent)
    grafana = "grafana" not in bundle.left_out
    require_images(rendered(cache, progress, part, chart, grafana=grafana), references(folder))
    target = found.chart.path if found.chart else folder / "charts" / part
    with cache.making(target) as out:
        shutil.copytree(chart, out, dirs_exist_ok=True)
    path = f"charts/{part}"
    entry = {"path": path, "version": version[1], "sha256": folder_digest(target)}

    def change(listed: dict[str, Any]) -> dict[str, Any]:
        whole = {**listed["parts"][part], "chart": entry, "origin": origin}
        return {**listed, "parts": {**listed["parts"], part: whole}}

    update(folder, change)
    return target


def link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file systems differ; the name is never half a file."""
    second = target.with_name(f".{target.name}.partial")
    second.unlink(missing_ok=True)
    try:
        os.link(source, second)
    except OSError:
        shutil.copyfile(source, second)
    second.replace(target)
    # Two names of one file: replacing one by the other does nothing and leaves both.
    second.unlink(missing_ok=True)


def read_list(folder: Path) -> dict[str, Any]:
    """Return what is listed; a list that is missing or damaged is an empty one, for all can be made anew."""
    try:
        listed: dict[str, Any] = json.loads((folder / FILE).read_text())
    except (OSError, ValueError):
        listed = {}
    if listed.get("schema") != SCHEMA:
        listed = {"schema": SCHEMA, "k3s": None, "parts": {}, "leftOut": {}}
    return listed


def references(folder: Path, without: str | None = None) -> set[str]:
    """Return the references of all images in a bundle.

    Args:
        folder: The bundle's folder.
        without: Name of a part that is passed over.
    """
    parts = read_list(folder)["parts"]
    entries = [entry for name, entry in parts.items() if name != without]
    return {name for entry in entries for image in entry["images"] for name in image["references"]}


def update(
    folder: Path,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    written: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Change bundle.json in one step; K3s and the parts are made by different threads or programs.

    Args:
        folder: The bundle's folder.
        change: Makes the new list of the old one.
        written: The digest of each file that was put in for it, by its path in the bundle, which spares the
            reader the first reading.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Cache(folder.parent).lock("bundle-list"):
        listed = change(read_list(folder))
        listed["leftOut"] = _left_out(listed)
        new = folder / f".{FILE}.partial"
        new.write_text(json.dumps(listed, indent=1, sort_keys=True) + "\n")
        new.replace(folder / FILE)
        # Of no other file is it known here that it is still what the list says.
        stamps = {path: (digest, file_stamp(folder / path)) for path, digest in written.items()}
        seen = read_memo(folder)
        seen |= {path: [digest, *stamp] for path, (digest, stamp) in stamps.items() if stamp}
        write_memo(folder, seen)


def _left_out(listed: Mapping[str, Any]) -> dict[str, str]:
    """Return what a list leaves out, with what no recipe can make unless a part came with its image."""
    entries = listed["parts"].values()
    held = [name for entry in entries for image in entry["images"] for name in image["references"]]
    missing = {name for name in LEFT_OUT if not any(f"/{name}:" in reference for reference in held)}
    others = {name: why for name, why in listed["leftOut"].items() if name not in LEFT_OUT}
    return others | {name: LEFT_OUT[name] for name in missing}


def remove_unlisted(folder: Path) -> None:
    """Remove images and programs that the list names no more; call it while nobody makes a part."""
    listed = read_list(folder)
    named = {image["path"] for part in listed["parts"].values() for image in part["images"]}
    named |= {entry["path"] for entry in listed.get("plugins", ())}
    for path in [*(folder / "images").rglob("*.tar"), *(folder / "plugins").glob("*/*")]:
        if str(path.relative_to(folder)) not in named:
            path.unlink()
            with contextlib.suppress(OSError):
                path.parent.rmdir()


def add(listed: dict[str, Any], name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a list with a part."""
    left_out = {key: why for key, why in listed["leftOut"].items() if key != name}
    return {**listed, "parts": {**listed["parts"], name: entry}, "leftOut": left_out}


def drop(listed: dict[str, Any], name: str, why: str) -> dict[str, Any]:
    """Return a list that says why a part was not made; what is listed of it stays."""
    return {**listed, "leftOut": {**listed["leftOut"], name: f"not built: {why}"}}
