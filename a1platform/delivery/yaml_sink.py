"""The sink for Argo CD: sorted YAML, the same bytes for the same objects."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from a1platform.delivery.manifest import Manifest

HEADER = "# Written by `a1 render`; changes by hand are overwritten.\n"


class _Dumper(yaml.SafeDumper):
    """Lists indented, long texts as blocks, no anchors: what a person reads best in a review."""

    def ignore_aliases(self, data: object) -> bool:
        """Write a shared value out each time."""
        return data is not None

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Indent the items of a list below its key."""
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(manifest: Manifest) -> str:
    """Return one object as YAML with sorted keys under a header."""
    return HEADER + yaml.dump(
        manifest, Dumper=_Dumper, sort_keys=True, default_flow_style=False, allow_unicode=True, width=110
    )


def file_name(manifest: Manifest, owner: str) -> str:
    """Return the file of an object in its owner's folder: the kind, and the name where it is not the owner's.

    Args:
        manifest: The object.
        owner: The name that the folder has.
    """
    kind, name = manifest["kind"].lower(), manifest["metadata"]["name"]
    return f"{kind}.yaml" if name == owner else f"{kind}-{name.removeprefix(f'{owner}-')}.yaml"


def write(root: Path, files: Mapping[str, str], mark: str = HEADER) -> None:
    """Make a folder hold exactly these files of their kind, touching only what differs.

    Args:
        root: The folder.
        files: Text by path below the folder.
        mark: What every file holds that was ever written here, and nothing of anybody else's.

    Raises:
        ValueError: The folder holds other files of this kind; nothing is touched.
    """
    extras = sorted(_existing(root, files) - set(files))
    foreign = [one for one in extras if mark not in (root / one).read_text(errors="replace")]
    if foreign:
        count = f"{foreign[0]} and {len(foreign) - 1} more" if foreign[1:] else foreign[0]
        raise ValueError(f"{root}: found {count}, expected a folder of rendered files only")
    for path, text in files.items():
        target = root / path
        if not target.is_file() or target.read_text() != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    for extra in extras:
        (root / extra).unlink()
        folder = (root / extra).parent
        if folder != root and not any(folder.iterdir()):
            folder.rmdir()


def differences(root: Path, files: Mapping[str, str]) -> list[str]:
    """Say, one line a file, where a folder does not hold exactly these files of their kind."""
    existing = _existing(root, files)
    changed = [path for path in existing & set(files) if (root / path).read_text() != files[path]]
    return sorted(
        [f"missing: {path}" for path in set(files) - existing]
        + [f"not rendered: {path}" for path in existing - set(files)]
        + [f"differs: {path}" for path in changed]
    )


def _existing(root: Path, files: Mapping[str, str]) -> set[str]:
    kinds = {Path(one).suffix for one in files}
    found = (one for one in root.rglob("*") if one.is_file() and one.suffix in kinds)
    return {one.relative_to(root).as_posix() for one in found}
