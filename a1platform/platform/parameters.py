"""What the settings give a policy over its own parameters, held against what its template takes."""

from collections.abc import Iterator, Mapping

from jsonschema.validators import validator_for
from pydantic import JsonValue

from a1platform.delivery.manifest import Manifest
from a1platform.settings.problems import Location, path
from a1platform.settings.shown import shown
from a1platform.settings.words import one_of


def parameter_problems(policy: str, schema: Manifest, given: Mapping[str, JsonValue]) -> Iterator[str]:
    """Yield a line for each name that the template does not know and each value that it does not take.

    Args:
        policy: The policy's name.
        schema: What its template takes, as a JSON schema.
        given: What the settings give.
    """
    if not given:
        return
    where = ("policies", "parameters", policy)
    yield from _unknown({"properties": {}, **schema}, dict(given), where)
    # What is left out keeps its value.
    for one in validator_for(schema)(schema).iter_errors(dict(given)):
        told = path((*where, *one.absolute_path))
        yield f"{told}: found {shown(one.instance)}, expected {one.validator} {one.validator_value}"


def _unknown(schema: Manifest, value: JsonValue, where: Location) -> Iterator[str]:
    """Yield a line for each unknown name, however deep: no rule would look at it."""
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        for name, inner in value.items():
            if name in known:
                yield from _unknown(known[name], inner, (*where, name))
            else:
                wanted = one_of(name, sorted(known))
                yield f"{path((*where, name))}: found no parameter of this name, {wanted}"
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _unknown(schema.get("items", {}), inner, (*where, index))
