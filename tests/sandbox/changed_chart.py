"""A chart of a bundle's copy as if upstream had published another version of it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from a1platform.bundle import FILE, folder_digest

# What no chart of a bundle has for certain: an object that says which version of the chart made it.
_MARK = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: of-the-test
  namespace: {{ .Release.Namespace }}
  labels:
    chart: {{ .Chart.Name }}-{{ .Chart.Version }}
"""


def change_chart(
    bundle: Path, part: str, version: str, kind: str, fields: Mapping[str, Mapping[str, Any]]
) -> None:
    """Give a part's chart another version, an object that names it, and a kind of its `crds/` more fields.

    Args:
        bundle: A copy of a bundle, whose charts nobody else reads.
        part: Whose chart it is.
        version: Its version.
        kind: Name of the kind's definition.
        fields: Schemas of the fields of `spec` that are added, by name.
    """
    listed = json.loads((bundle / FILE).read_text())
    entry = listed["parts"][part]["chart"]
    chart = bundle / entry["path"]
    about = chart / "Chart.yaml"
    about.write_text(re.sub(r"^version:.*$", f"version: {version}", about.read_text(), flags=re.MULTILINE))
    (chart / "templates" / "of-the-test.yaml").write_text(_MARK)
    file, definition = next(
        (file, found)
        for file in sorted((chart / "crds").glob("*.yaml"))
        if (found := yaml.safe_load(file.read_text()))["metadata"]["name"] == kind
    )
    for one in definition["spec"]["versions"]:
        one["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"].update(fields)
    file.write_text(yaml.safe_dump(definition))
    entry.update(version=version, sha256=folder_digest(chart))
    (bundle / FILE).write_text(json.dumps(listed))
