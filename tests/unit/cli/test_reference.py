"""docs/configuration.md is what the settings' classes say, whole."""

from pathlib import Path

import yaml
from pydantic import BaseModel

from a1platform.cli.reference import EXAMPLE, reference
from a1platform.naming import PROJECT
from a1platform.settings.base import Settings
from a1platform.settings.load import parse

_COMMITTED = Path(__file__).parents[3] / "docs" / "configuration.md"


def _subclasses(model: type[BaseModel]) -> set[type[BaseModel]]:
    return {one for child in model.__subclasses__() for one in {child, *_subclasses(child)}}


def test_the_committed_reference_is_the_one_that_the_settings_give() -> None:
    assert _COMMITTED.read_text() == reference(), (
        "run: python -m a1platform.cli.reference > docs/configuration.md"
    )


def test_every_key_of_every_class_is_in_it() -> None:
    text = reference()
    missing = [
        f"{model.__name__}.{name}"
        for model in _subclasses(Settings)
        if model.__module__.startswith("a1platform.")
        for name, field in model.model_fields.items()
        if f"| `{field.alias or name}` |" not in text
    ]
    assert missing == []


def test_every_key_has_a_meaning() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert [row for row in rows if row.split(" | ")[-1].strip(" |") == ""] == []


def test_the_example_is_a_configuration_that_is_accepted() -> None:
    values = yaml.safe_load(EXAMPLE)["config"]
    assert (
        parse({key.removeprefix(f"{PROJECT}:"): value for key, value in values.items()}).services.profile
        == "standard"
    )
