"""What of a value may stand in an error: little, on one line, and never what could be a key."""

import re

_MOST = 72
"""A SHA-256 digest in quotes fits."""
_MOST_BITS = 4096
"""Python writes no number of more than 4300 digits, and YAML's hexadecimal ones can have them."""

_SECRET = re.compile(
    # A key, a pasted file, and a password within a URL.
    r"PRIVATE KEY|[\r\n]|://[^/@\s]*:[^/@\s]*@"
    # A mapping or list as a text, which is no JSON and can hold anything.
    r"|^\s*[{\[].*[\"']"
    # A word of base64 as long as a key's own; a digest is hexadecimal, and a path begins otherwise.
    r"|(?<!\S)(?![0-9a-fA-F]+(?!\S))(?!/)[A-Za-z0-9+/]{40,}={0,2}(?!\S)"
)


def hidden(text: str) -> bool:
    """Tell whether a text may not be shown, as it could hold a key or a password."""
    return _SECRET.search(text) is not None


def shown(value: object) -> str:
    """Return a value as an error shows it, in the words of YAML.

    Args:
        value: What was found.
    """
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return "a number of too many digits"
    text = value if isinstance(value, str) else str(value)
    if hidden(text):
        return f"a text of {len(text)} characters, which is not shown"
    return short(repr(text) if isinstance(value, str) else text)


def short(text: str, most: int = _MOST) -> str:
    """Return a text that is cut where it gets long.

    Args:
        text: The text.
        most: Characters that stay.
    """
    return text if len(text) <= most else f"{text[:most]}..."
