"""Values that a chart refuses, told in the preview.

Helm compares values with the chart's schema only when it installs, and the provider not in a preview either.
Here the charts of a bundle are compared; one that is downloaded is not on this machine yet.
"""

import json
from collections.abc import Callable, Mapping, Sequence
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
    """Compare values with the chart's own schema, as Helm does, with the chart's defaults below them.

    Args:
        release: Name of the release.
        chart: The chart's folder; without a `values.schema.json` every value is right.
        values: The values; what is known only later is left out.

    Raises:
        ChartValuesError: The chart refuses them. No value is shown, since it may be secret.
    """
    file = chart / "values.schema.json"
    if not file.is_file():
        return
    schema = json.loads(file.read_text(encoding="utf-8"))
    defaults = chart / "values.yaml"
    given = yaml.safe_load(defaults.read_text(encoding="utf-8")) if defaults.is_file() else {}
    whole = _without_nulls(merged(given or {}, _known(values)))
    found = validator_for(schema)(schema).iter_errors(whole)
    problems = sorted(found, key=lambda one: _path(one.absolute_path))
    if problems:
        lines = [f"  {_path(one.absolute_path)}: {_expected(one)}" for one in problems]
        raise ChartValuesError("\n".join([f"the chart of release {release} refuses its values:", *lines]))


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
