"""Packed charts and the index that a chart repository has of them."""

import hashlib
import io
import tarfile
from collections.abc import Mapping

import yaml


def packed(name: str, version: str, *images: str) -> bytes:
    """Return a chart as Helm packs it, with a pod of the images."""
    files = {"Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n"}
    if images:
        containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "x"},
            "spec": {"containers": containers},
        }
        files["templates/pod.yaml"] = yaml.safe_dump(pod)
    packing = io.BytesIO()
    with tarfile.open(fileobj=packing, mode="w:gz") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packing.getvalue()


def index(name: str, archives: Mapping[str, bytes], folder: str = "") -> bytes:
    """Return the index of a repository with versions of one chart.

    Args:
        name: The chart.
        archives: Version to packed chart.
        folder: What stands before the archives' names, such as an address of another server.
    """
    entries = [
        {
            "name": name,
            "version": version,
            "urls": [f"{folder}{name}-{version}.tgz"],
            "digest": hashlib.sha256(archive).hexdigest(),
        }
        for version, archive in archives.items()
    ]
    return yaml.safe_dump({"apiVersion": "v1", "entries": {name: entries}}).encode()
