"""Pulumi's own programs in a bundle, so that an installation without a network can begin."""

import platform
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sandbox.bundle_list import put, read_list, update
from sandbox.toolchain import Toolchain
from sandbox.toolchain.parts import PARTS

_NAMES = frozenset(part.name for part in PARTS)
_STAND_IN = (
    "only the stand-in is here, which is test equipment: docs/bundle.md says how the official one gets in"
)


def add_plugins(folder: Path, toolchain: Toolchain) -> Mapping[str, str]:
    """Put Pulumi's programs into a bundle, without a stand-in; an official one that was put there stays.

    A bundle is for machines in use, and whoever finds a program in it takes it for what its name says.

    Args:
        folder: The bundle's folder.
        toolchain: The programs.

    Returns:
        What is not in the bundle, by name, and why.

    Raises:
        BundleError: A program was changed since it was put there.
    """
    before = {entry["path"]: entry for entry in read_list(folder).get("plugins", ())}
    entries: list[dict[str, Any]] = []
    written: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for part, installed in zip(PARTS, toolchain.parts, strict=True):
        paths = {f"plugins/{installed.folder.name}/{name}": installed.folder / name for name in part.files}
        if installed.stand_in:
            kept = [before[path] for path in paths if path in before]
            entries += kept
            if not kept:
                left_out[part.name] = _STAND_IN
            continue
        for path, file in paths.items():
            listed = before.get(path, {}).get("sha256")
            digest, new = put(folder, path, file.resolve(), listed)
            written |= new
            entries.append(
                {
                    "name": file.name,
                    "version": installed.version,
                    "machine": platform.machine(),
                    "path": path,
                    "sha256": digest,
                    "origin": installed.origin,
                }
            )

    def change(listed: dict[str, Any]) -> dict[str, Any]:
        others = {name: why for name, why in listed["leftOut"].items() if name not in _NAMES}
        return {**listed, "plugins": entries, "leftOut": {**others, **left_out}}

    update(folder, change, written)
    return MappingProxyType(left_out)
