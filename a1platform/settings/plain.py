"""A value that is one text in `Pulumi.<stack>.yaml`, as `pulumi config set KEY VALUE` writes each of them."""

import json
from collections.abc import Mapping

from pydantic import JsonValue

_SWITCHES: Mapping[str, bool] = {"true": True, "false": False}


def plain(text: str) -> JsonValue:
    """Return what a text under a key means: Pulumi tells no difference between `true` and `"true"`.

    Args:
        text: A switch, an object or list as JSON, or a text.
    """
    if text[:1] in {"{", "["}:
        try:
            value: JsonValue = json.loads(text)
        except ValueError:
            return text
        return value
    return _SWITCHES.get(text, text)
