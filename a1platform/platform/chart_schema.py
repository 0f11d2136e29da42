"""Values that a chart refuses, told in the preview.

Helm compares values with the chart's schema only when it installs, and the provider not in a preview either.
Here the charts of a bundle are compared; one that is downloaded is not on this machine yet.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import yaml
from jsonschema import ValidationError
from jsonschema.validators import validator_for

from a1platform.platform.values import merged

_NAMES_ONLY = frozenset({"additionalProperties", "required"})
"""Rules whose message has keys in it, and no value."""


class ChartValuesError(pulumi.RunError):
    """A chart refuses its values; the text has one line for each thing that is wrong with them."""


def check_values(release: str, chart: Path, values: Mapping[str, Any]) -> None:
    """Compare values with the schemas of a chart and of those below it, as Helm does, over their defaults.

    Args:
        release: Name of the release.
        chart: The chart's folder; without a `values.schema.json` every value is right.
        values: The values; what is known only later is left out.

    Raises:
        ChartValuesError: The chart refuses them. No value is shown, since it may be secret.
    """
    lines = sorted(f"  {_path(steps)}: {text}" for steps, text in _problems(chart, _known(values)))
    if lines:
        raise ChartValuesError("\n".join([f"the chart of release {release} refuses its values:", *lines]))


def _problems(chart: Path, values: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the place and the text of everything that a chart and those below it refuse."""
    whole = merged(_read(chart / "values.yaml"), values)
    file = chart / "values.schema.json"
    if file.is_file():
        schema = json.loads(file.read_text(encoding="utf-8"))
        for one in validator_for(schema)(schema).iter_errors(_without_nulls(whole)):
            yield tuple(one.absolute_path), _expected(one)
    for wanted in _read(chart / "Chart.yaml").get("dependencies", ()):
        name = wanted.get("alias") or wanted["name"]
        below = whole.get(name) or {}
        # Tags are left to Helm; our charts have none.
        if isinstance(below, Mapping) and not wanted.get("tags") and _is_on(wanted, whole):
            shared = {"global": merged(below.get("global") or {}, whole.get("global") or {})}
            for steps, text in _problems(chart / "charts" / wanted["name"], {**below, **shared}):
                yield (name, *steps), text


def _is_on(wanted: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Tell whether a chart below another one is installed: its first condition with a value decides."""
    for condition in filter(None, wanted.get("condition", "").split(",")):
        found: Any = values
        for key in condition.strip().split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        if isinstance(found, bool):
            return found
    return True


def _read(file: Path) -> dict[str, Any]:
    return (yaml.safe_load(file.read_text(encoding="utf-8")) or {}) if file.is_file() else {}


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return _filtered(values, lambda value: not isinstance(value, pulumi.Output))


def _without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as a chart sees them: by a null Helm takes the chart's own key away."""
    return _filtered(values, lambda value: value is not None)


def _filtered(values: Mapping[str, Any], wanted: Callable[[Any], bool]) -> dict[str, Any]:
    return {
        key: _filtered(value, wanted) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if wanted(value)
    }


def _path(steps: Sequence[str | int]) -> str:
    return (
        "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in steps).removeprefix(".") or "all"
    )


def _expected(problem: ValidationError) -> str:
    if problem.validator in _NAMES_ONLY:
        return problem.message
    found = type(problem.instance).__name__
    return f"found a value of type {found}, expected {problem.validator} {problem.validator_value!r}"
