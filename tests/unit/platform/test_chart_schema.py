"""A chart's own schema, in the preview."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from a1platform.platform.chart_schema import ChartValuesError, check_values

_SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["image"],
    "properties": {
        "image": {"type": "string"},
        "replicas": {"type": "integer", "minimum": 1},
        "webhook": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"port": {"type": "integer"}},
        },
        "hosts": {"type": "array", "items": {"type": "string"}},
    },
}
_DEFAULTS = {"image": "registry.example.com/thing:1", "webhook": {"port": 443}}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "values.schema.json").write_text(json.dumps(_SCHEMA))
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(_DEFAULTS))
    return tmp_path


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"replicas": 2, "webhook": {"port": 8443}, "unknown": {"a": 1}},
        {"webhook": None, "hosts": ["a.example.com"]},
    ],
)
def test_what_the_chart_takes_is_taken_with_its_defaults_below_it(
    chart: Path, values: dict[str, Any]
) -> None:
    check_values("thing", chart, values)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"replicas": "many"}, "replicas: found a value of type str, expected type 'integer'"),
        ({"replicas": 0}, "replicas: found a value of type int, expected minimum 1"),
        ({"hosts": ["a", 1]}, "hosts[1]: found a value of type int, expected type 'string'"),
        ({"webhook": {"prt": 1}}, "webhook: Additional properties are not allowed ('prt' was unexpected)"),
        ({"image": None}, "all: 'image' is a required property"),
    ],
)
def test_what_the_chart_refuses_is_told_with_its_place_and_what_is_expected(
    chart: Path, values: dict[str, Any], line: str
) -> None:
    with pytest.raises(ChartValuesError) as refused:
        check_values("thing", chart, values)
    assert str(refused.value) == f"the chart of release thing refuses its values:\n  {line}"


def test_everything_that_is_wrong_is_told_at_once_and_no_value_is_shown(chart: Path) -> None:
    with pytest.raises(ChartValuesError) as refused:
        check_values("thing", chart, {"replicas": "of-mine", "image": ["of-mine"]})
    assert len(str(refused.value).splitlines()) == 3
    assert "of-mine" not in str(refused.value)


def test_what_is_known_only_later_is_left_to_helm(chart: Path) -> None:
    later = pulumi.Output.from_input(1)
    check_values("thing", chart, {"image": pulumi.Output.secret("later"), "webhook": {"port": later}})


def test_a_chart_without_a_schema_takes_everything(tmp_path: Path) -> None:
    check_values("thing", tmp_path, {"replicas": "many"})
    check_values("thing", tmp_path / "missing", {"replicas": "many"})


_PART = {"properties": {"size": {"type": "string"}, "global": {"properties": {"zone": {"type": "string"}}}}}


@pytest.fixture
def umbrella(chart: Path) -> Path:
    """The chart with another one below it, twice: by its name, and by an alias."""
    names = [{"name": "part", "condition": "part.enabled"}, {"name": "part", "alias": "second"}]
    (chart / "Chart.yaml").write_text(yaml.safe_dump({"name": "thing", "dependencies": names}))
    part = chart / "charts" / "part"
    part.mkdir(parents=True)
    (part / "Chart.yaml").write_text(yaml.safe_dump({"name": "part"}))
    (part / "values.yaml").write_text(yaml.safe_dump({"size": "1Gi"}))
    (part / "values.schema.json").write_text(json.dumps({**_PART, "required": ["size"]}))
    return chart


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"part": {"size": "2Gi"}, "second": {"size": "3Gi"}},
        {"part": {"enabled": False, "size": 2}},
        {"part": {"size": pulumi.Output.from_input("later")}},
    ],
)
def test_what_the_charts_below_a_chart_take_is_taken(umbrella: Path, values: dict[str, Any]) -> None:
    check_values("thing", umbrella, values)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"part": {"size": 2}}, "part.size: found a value of type int, expected type 'string'"),
        ({"second": {"size": 2}}, "second.size: found a value of type int, expected type 'string'"),
        ({"part": {"size": None}}, "part: 'size' is a required property"),
        (
            {"part": {"enabled": False}, "global": {"zone": 1}},
            "second.global.zone: found a value of type int, expected type 'string'",
        ),
    ],
)
def test_what_a_chart_below_a_chart_refuses_is_told_under_its_name(
    umbrella: Path, values: dict[str, Any], line: str
) -> None:
    with pytest.raises(ChartValuesError) as refused:
        check_values("thing", umbrella, values)
    assert str(refused.value) == f"the chart of release thing refuses its values:\n  {line}"
