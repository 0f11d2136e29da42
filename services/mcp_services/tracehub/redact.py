"""Takes out of spans what must not be kept: secrets, and contents of calls."""

import re

REDACTED = "[redacted]"

_KEYS = re.compile(
    r"authorization|cookie|password|passwd|secret|token|api[-_.]?key|private[-_.]?key|credential"
    r"|argument|\bbody\b|prompt|completion|input\.value|output\.value",
    re.IGNORECASE,
)
_VALUES = re.compile(
    r"(?:Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}"
    r"|eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|://[^/\s:@]+:[^/\s@]+@",
)


def attribute(key: str, value: object) -> object:
    """The value that may be kept for an attribute."""
    if _KEYS.search(key):
        return REDACTED
    return text(value) if isinstance(value, str) else value


def text(value: str) -> str:
    """A text without the secrets in it."""
    return _VALUES.sub(REDACTED, value)
