"""What is expected, in words: one for each of pydantic's kinds of errors, and an example for each pattern."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

Examples = Mapping[str, str]
"""An example by the pattern that it matches."""

_NUMBER = "an integer"
_SWITCH = "true or false"
_MAPPING = "a mapping of keys to values"
_LIST = "a list"

_WORDS: Mapping[str, str] = {
    "bool_parsing": _SWITCH,
    "bool_type": _SWITCH,
    "dict_type": _MAPPING,
    "enum": "{expected}",
    "greater_than_equal": "at least {ge}",
    "int_from_float": _NUMBER,
    "int_parsing": _NUMBER,
    "int_parsing_size": "an integer of fewer digits",
    "int_type": _NUMBER,
    "invalid-json-value": "a text, a number, true or false, a list or a mapping",
    "less_than_equal": "at most {le}",
    "list_type": _LIST,
    "literal_error": "{expected}",
    "model_type": _MAPPING,
    "path_type": "a path",
    "string_sub_type": "a text",
    "string_too_short": "a text that is not empty",
    "string_type": "a text, in quotes where YAML would see something else",
    "string_unicode": "a text of valid characters",
    "too_short": "at least {min_length} in the list",
    "tuple_type": _LIST,
}


def one_of(name: str, known: Sequence[str]) -> str:
    """Return which names are expected in place of one that nobody knows, the closest first.

    Args:
        name: What was found.
        known: What there is.
    """
    if not known:
        return "expected none of this name"
    close = difflib.get_close_matches(name, known, 1)
    others = ", ".join(one for one in known if one not in close)
    if not close:
        return f"expected one of {others}"
    return f"expected {close[0]}, or another of {others}" if others else f"expected {close[0]}"


def expected(problem: ErrorDetails, known: Examples) -> str:
    """Return what is expected where pydantic itself has found something else.

    Args:
        problem: What it has found.
        known: Examples by pattern.
    """
    context: dict[str, Any] = problem.get("ctx", {})
    if problem["type"] == "string_pattern_mismatch":
        pattern = context["pattern"]
        return f"a text such as {known[pattern]!r}" if pattern in known else f"a text that matches {pattern}"
    if problem["type"] in _WORDS:
        return _WORDS[problem["type"]].format_map(context)
    message = problem["msg"].removeprefix("Input should be ")
    return f"{message[:1].lower()}{message[1:]}"


def examples(model: type[BaseModel]) -> Examples:
    """Return the examples that the fields of a model, and of those in it, give beside their patterns.

    Args:
        model: The outermost settings.
    """
    return dict(_examples(model.model_json_schema()))


def _examples(schema: object) -> Iterator[tuple[str, str]]:
    if isinstance(schema, dict):
        # A text that may be left out has its pattern in one of two branches.
        for branch in (schema, *schema.get("anyOf", ())):
            if "pattern" in branch and schema.get("examples"):
                yield branch["pattern"], schema["examples"][0]
        for inner in schema.values():
            yield from _examples(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _examples(inner)


def secret_keys(model: type[BaseModel]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the keys whose values are secret by their type, and those of mappings that have such keys.

    Args:
        model: The outermost settings.
    """
    schema = model.model_json_schema()
    models = {f"#/$defs/{name}": one for name, one in schema.get("$defs", {}).items()}
    fields = [field for one in (schema, *models.values()) for field in one.get("properties", {}).items()]
    secret = frozenset(key for key, value in fields if _has(value, "writeOnly", {True}))
    holders = {name for name, one in models.items() if secret & one.get("properties", {}).keys()}
    return secret, frozenset(key for key, value in fields if _has(value, "$ref", holders))


def _has(schema: object, key: str, values: AbstractSet[object]) -> bool:
    """Tell whether a key has one of these values, in a schema or in what is written out in it."""
    if isinstance(schema, dict):
        return schema.get(key) in values or any(_has(inner, key, values) for inner in schema.values())
    return isinstance(schema, list) and any(_has(inner, key, values) for inner in schema)
