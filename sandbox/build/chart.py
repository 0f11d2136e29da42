"""Make chart folders: our own charts of `sandbox/charts`, filled with upstream's manifests at build time."""

import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from a1platform.bundle import folder_digest

CHARTS = Path(__file__).parents[1] / "charts"

_KIND = re.compile(r"^kind: *(\S+)", re.MULTILINE)
_NAME = re.compile(r"^metadata:\n(?:(?:  .*|#.*)?\n)*?  name: *(\S+)", re.MULTILINE)

_DESCRIPTION = re.compile(r"^ +description: *\S")


class ChartError(RuntimeError):
    """A chart cannot be made; the text says which file of upstream is not as expected."""


@dataclass(frozen=True)
class Document:
    """One object of upstream's manifests, as text, since YAML parsers differ over some of them.

    Attributes:
        kind: Its kind.
        name: Its name.
        text: The YAML.
    """

    kind: str
    name: str
    text: str


def documents(text: str) -> Iterator[Document]:
    """Yield the objects of a YAML stream.

    Raises:
        ChartError: Something in it is no object.
    """
    for part in re.split(r"^---.*\n", text, flags=re.MULTILINE):
        lines = [line for line in part.splitlines() if line.strip() and not line.startswith("#")]
        if not lines:
            continue
        body = "\n".join(lines) + "\n"
        kind, name = _KIND.search(body), _NAME.search(body)
        if kind is None or name is None:
            raise ChartError(f"no object: {lines[0]} ...")
        yield Document(kind[1], name[1].strip("\"'"), body)


def own_chart(name: str, out: Path, text: str, without: Collection[str] = ()) -> None:
    """Copy one of our own charts and put upstream's objects beside its templates.

    CRDs go to `files/crds`, everything else to `files/objects`, one file per object, for the templates.

    Args:
        name: Name of the folder in `sandbox/charts`.
        out: An empty folder.
        text: Upstream's manifests, one YAML stream.
        without: Kinds that are left out.

    Raises:
        ChartError: Something in the stream is no object.
    """
    shutil.copytree(CHARTS / name, out, dirs_exist_ok=True)
    for document in documents(text):
        if document.kind in without:
            continue
        kind = "crds" if document.kind == "CustomResourceDefinition" else "objects"
        folder = out / "files" / kind
        folder.mkdir(parents=True, exist_ok=True)
        file = document.name if kind == "crds" else f"{document.kind.lower()}-{document.name}"
        content = without_descriptions(document.text) if kind == "crds" else document.text
        (folder / f"{file.replace(':', '-')}.yaml").write_text(content)


def without_descriptions(text: str) -> str:
    """Return a CRD without its fields' descriptions, which are most of it.

    Helm keeps a chart and what it rendered in one Secret of at most 1 MiB; those of the monitoring stack are
    larger. Only `kubectl explain` reads the descriptions.

    Args:
        text: The YAML; a property that is itself called `description` stays.
    """
    kept: list[str] = []
    within: int | None = None
    for line in text.splitlines(keepends=True):
        indent = len(line) - len(line.lstrip(" "))
        if within is not None and (indent > within or not line.strip()):
            continue
        within = indent if _DESCRIPTION.match(line) else None
        if within is None:
            kept.append(line)
    return "".join(kept)


def set_version(chart: Path, version: str, app_version: str) -> str:
    """Write a chart's version, with a digest of all its files behind it, and return it.

    Helm and Pulumi see a change of a local chart only in its version.

    Args:
        chart: The chart's folder.
        version: Upstream's version.
        app_version: Version of the program, which upstream's charts take as the images' tag.
    """
    file = chart / "Chart.yaml"
    text = file.read_text()
    for key, value in (("version", version), ("appVersion", app_version)):
        text, count = re.subn(rf"^{key}:.*$", f'{key}: "{value}"', text, flags=re.MULTILINE)
        if count != 1:
            raise ChartError(f"{file} has no {key}")
    file.write_text(text)
    full = f"{version}+{folder_digest(chart)[:12]}"
    file.write_text(re.sub(r"^version:.*$", f'version: "{full}"', text, flags=re.MULTILINE))
    return full
